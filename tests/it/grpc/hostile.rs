//! Upstreams of HTTP/2 that break the rules, or off: the client gets an answer or sees the cut, the worker goes on.

use std::io;

use serde_json::{Value, json};

use super::raw::{self, Peer, url};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum};
use crate::http2::client::{Client, Reply};

const INTERNAL_ERROR: u32 = 2;

type Handler = fn(&mut Peer<'_>, u32) -> io::Result<()>;

/// An upstream that does `misbehave` with the first request of each connection and then waits for its end.
fn hostile(misbehave: Handler) -> Upstream {
    raw::upstream(move |peer| {
        let Some(id) = peer.request()? else { return Ok(()) };
        misbehave(peer, id)?;
        peer.wait_for_close()
    })
}

fn ask(upstream: &Upstream, more: Value) -> (Reply, Vallum) {
    let vallum = Vallum::start(json!({"workers": 1, "routes": [
        and(public_route(HOST, json!(url(upstream))), more),
    ]}));
    let reply = Client::connect(vallum.address).get("/");
    // The worker lives, and so does the client's side.
    assert_eq!(Client::connect(vallum.address).get("/ping").status, 200);
    assert_eq!(vallum.panics(), [""; 0]);
    (reply, vallum)
}

#[test]
fn answers_that_are_none() {
    let many: Handler = |peer, id| {
        let names: Vec<String> = (0..1500).map(|n| format!("x{n}")).collect();
        let mut fields = vec![(":status", "200")];
        fields.extend(names.iter().map(|name| (name.as_str(), "")));
        peer.long_fields(id, &fields)
    };
    let cases: [(&str, Handler); 12] = [
        ("no status", |peer, id| peer.fields(id, &[("a", "b")], true)),
        ("a status that is none", |peer, id| peer.fields(id, &[(":status", "20x")], true)),
        ("a status out of range", |peer, id| peer.fields(id, &[(":status", "700")], true)),
        ("101", |peer, id| peer.fields(id, &[(":status", "101")], true)),
        ("a field of a connection", |peer, id| peer.fields(id, &[(":status", "200"), ("connection", "close")], true)),
        ("a coding", |peer, id| peer.fields(id, &[(":status", "200"), ("transfer-encoding", "chunked")], true)),
        ("a line end in a value", |peer, id| peer.fields(id, &[(":status", "200"), ("a", "b\r\nset-cookie: x")], true)),
        ("upper case", |peer, id| peer.fields(id, &[(":status", "200"), ("Abc", "x")], true)),
        ("two lengths", |peer, id| {
            peer.fields(id, &[(":status", "200"), ("content-length", "1"), ("content-length", "2")], false)
        }),
        ("too many fields", many),
        ("too large a head", |peer, id| {
            let long = "x".repeat(300_000);
            peer.long_fields(id, &[(":status", "200"), ("a", &long)])
        }),
        ("a stream of interim answers", |peer, id| {
            (0..40).try_for_each(|_| peer.fields(id, &[(":status", "103"), ("link", "</a>")], false))
        }),
    ];
    for (what, misbehave) in cases {
        let upstream = hostile(misbehave);
        let (reply, _vallum) = ask(&upstream, json!({"timeout": "10s"}));
        assert_eq!((reply.status, reply.ended), (502, true), "{what}: {reply:?}");
    }
}

#[test]
fn interim_answers_go_on() {
    let upstream = hostile(|peer, id| {
        peer.fields(id, &[(":status", "103"), ("link", "</a>")], false)?;
        peer.fields(id, &[(":status", "204")], true)
    });
    let (reply, _vallum) = ask(&upstream, json!({}));
    assert_eq!((reply.status, reply.ended), (204, true), "{reply:?}");
    assert_eq!(reply.interim, [(103, vec![("link".to_owned(), "</a>".to_owned())])]);
}

#[test]
fn connections_that_end_instead_of_answering() {
    let cases: [(&str, Handler); 4] = [
        ("a reset", |peer, id| peer.reset_stream(id, INTERNAL_ERROR)),
        ("a goodbye that takes the blame", |peer, id| peer.go_away(id, INTERNAL_ERROR).and(Err(closed()))),
        ("bytes that are no frames", |peer, _| peer.send([0xff; 64])),
        ("a cut", |_, _| Err(closed())),
    ];
    for (what, misbehave) in cases {
        let upstream = hostile(misbehave);
        let (reply, _vallum) = ask(&upstream, json!({}));
        assert_eq!(reply.status, 502, "{what}: {reply:?}");
    }
}

/// Ends the handler, and with it the connection.
fn closed() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

#[test]
fn bodies_that_are_cut_are_seen_to_be_cut() {
    let cases: [(&str, Handler); 5] = [
        ("a reset", |peer, id| peer.reset_stream(id, INTERNAL_ERROR)),
        ("a reset that pretends to be an end", |peer, id| peer.reset_stream(id, 0)),
        ("more than the length", |peer, id| peer.data(id, b"and much more than that", true)),
        ("less than the length", |peer, id| peer.data(id, b"", true)),
        ("a cut", |_, _| Err(closed())),
    ];
    for (what, misbehave) in cases {
        let upstream = raw::upstream(move |peer| {
            let Some(id) = peer.request()? else { return Ok(()) };
            peer.fields(id, &[(":status", "200"), ("content-length", "20")], false)?;
            peer.data(id, b"begun", false)?;
            misbehave(peer, id)?;
            peer.wait_for_close()
        });
        let (reply, vallum) = ask(&upstream, json!({}));
        // The head may or may not have been on its way already; a whole answer it is not.
        assert!(!reply.ended || reply.status == 502, "{what}: {reply:?}");
        assert!(reply.body.len() < 20, "{what}: {reply:?}");
        let insecure = Vallum::start(clear(json!([public_route(HOST, json!(url(&upstream)))])));
        let answer = insecure.connect().send(get(HOST, "/", "")).drain();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 502") || text.contains("content-length: 20\r\n"), "{what}: {text}");
        assert!(!text.ends_with("begunand much more t"), "{what}: {text}");
        drop(vallum);
    }
}

#[test]
fn a_silent_upstream_is_timed() {
    let upstream = hostile(|_, _| Ok(()));
    let (reply, vallum) = ask(&upstream, json!({"timeout": "300ms"}));
    assert_eq!(reply.status, 504);
    // Nothing was heard from it: the next request gets a connection of its own.
    assert_eq!(Client::connect(vallum.address).get("/").status, 504);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_silent_body_is_timed() {
    let upstream = hostile(|peer, id| {
        peer.fields(id, &[(":status", "200")], false)?;
        peer.data(id, b"begun", false)
    });
    let (reply, vallum) = ask(&upstream, json!({"idle_timeout": "300ms"}));
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"begun"[..]));
    assert!(reply.reset.is_some(), "{reply:?}");
    vallum.wait_for_log(&[("response-code-details", json!("upstream_body_timeout"))]);
}
