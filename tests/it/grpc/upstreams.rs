//! Connections of HTTP/2 to upstreams: shared, limited, left in good order.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::oracle::Oracle;
use super::raw::{self, url};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Vallum, wait_until};
use crate::http2::client::{CANCEL, Client, NO_ERROR};

const REFUSED_STREAM: u32 = 7;

/// One worker, so that it is known who shares a connection.
fn vallum(to: &str) -> Vallum {
    Vallum::start(json!({"workers": 1, "routes": [public_route(HOST, json!(to))]}))
}

#[test]
fn what_http_2_is_asked_for() {
    let upstream = Oracle::start(None, 1);
    let settings = clear(json!([and(public_route(HOST, json!(upstream.url())), json!({"prefix_rewrite": "/v1"}))]));
    let vallum = Vallum::start(settings);
    let fields = "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-Twice: a\r\nX-Twice: b\r\n";
    let answer = vallum.connect().ask(get(HOST, "/a?b=c", fields));
    let described = answer.json();
    assert_eq!(described["uri"], format!("http://{}/v1/a?b=c", upstream.address), "{described}");
    assert_eq!(described["fields"]["x-twice"], json!(["a", "b"]), "{described}");
    assert_eq!(described["fields"]["x-forwarded-host"], json!([HOST]), "{described}");
    assert_eq!(described["fields"]["te"], json!(["trailers"]), "{described}");
    for gone in ["connection", "x-hop", "keep-alive", "host", "transfer-encoding"] {
        assert!(described["fields"].get(gone).is_none(), "{gone}: {described}");
    }
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.chunked, "its length is not known");
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let answer = vallum.connect().ask(get(HOST, "/", upgrade));
    assert_eq!(answer.status, 403, "no route here allows WebSockets");
}

#[test]
fn requests_share_a_connection() {
    const MANY: usize = 20;
    let upstream = Oracle::start(None, MANY);
    let vallum = vallum(&upstream.url());
    let mut client = Client::connect(vallum.address);
    let ids: Vec<u32> = (0..MANY).map(|_| client.request("GET", "/together", &[], true)).collect();
    for id in ids {
        assert_eq!(client.finish(id).status, 200);
    }
    assert_eq!((upstream.connections(), upstream.requests(), upstream.crowd()), (1, MANY, MANY));
}

#[test]
fn no_more_streams_than_the_upstream_takes() {
    const MANY: usize = 6;
    let upstream = Oracle::start(Some(2), MANY);
    let vallum = vallum(&upstream.url());
    let mut client = Client::connect(vallum.address);
    let ids: Vec<u32> = (0..MANY).map(|_| client.request("GET", "/together", &[], true)).collect();
    for id in ids {
        assert_eq!(client.finish(id).status, 200);
    }
    assert_eq!((upstream.connections(), upstream.crowd()), (MANY / 2, 2));
}

#[test]
fn a_refused_request_is_sent_again() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url());
    let mut client = Client::connect(vallum.address);
    let id = client.request("POST", "/refuse", &[("content-length", "5")], false);
    client.body(id, b"hello");
    let reply = client.finish(id);
    assert_eq!((reply.status, &reply.json()["size"]), (200, &json!(5)), "with its body");
    assert_eq!((upstream.refused(), upstream.requests()), (2, 1));
    vallum.wait_for_metric("vallum_upstream_retries_total", &[], 1.0);
}

#[test]
fn a_connection_that_goes_away_is_left_and_its_streams_end_in_order() {
    // The first connection answers one request half, says that it takes no more than that one, refuses nothing else by
    // word, and then ends the answer.
    let upstream = raw::upstream(|peer| {
        if peer.number > 0 {
            while let Some(id) = peer.request()? {
                peer.answer(id, "second")?;
            }
            return Ok(());
        }
        let Some(first) = peer.request()? else { return Ok(()) };
        peer.fields(first, &[(":status", "200")], false)?;
        peer.data(first, b"first ", false)?;
        let Some(_late) = peer.request()? else { return Ok(()) };
        peer.go_away(first, NO_ERROR)?;
        peer.data(first, b"and last", true)?;
        peer.wait_for_close()
    });
    let vallum = vallum(&url(&upstream));
    let mut client = Client::connect(vallum.address);
    let first = client.request("GET", "/", &[], true);
    assert_eq!(client.head(first), 200);
    // On its way when the upstream says goodbye; not even idempotent, but known to be untouched.
    let second = client.request("POST", "/", &[("content-length", "2")], false);
    client.body(second, b"hi");
    assert_eq!(client.finish(second).body, b"second");
    assert_eq!(client.finish(first).body, b"first and last");
    assert_eq!(client.get("/").body, b"second");
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn nothing_is_sent_twice_that_may_have_been_done() {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = raw::upstream(move |peer| {
        while let Some(id) = peer.request()? {
            match count.fetch_add(1, Ordering::SeqCst) {
                0 => peer.answer(id, "first")?,
                // Neither refused nor answered.
                _ => return peer.reset_stream(id, CANCEL),
            }
        }
        Ok(())
    });
    let vallum = vallum(&url(&upstream));
    let mut client = Client::connect(vallum.address);
    assert_eq!(client.get("/").body, b"first");
    let id = client.request("POST", "/", &[("content-length", "2")], false);
    client.body(id, b"hi");
    assert_eq!(client.finish(id).status, 502);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn refusals_end() {
    let upstream = raw::upstream(|peer| {
        while let Some(id) = peer.request()? {
            peer.reset_stream(id, REFUSED_STREAM)?;
        }
        Ok(())
    });
    let reply = Client::connect(vallum(&url(&upstream)).address).get("/");
    assert_eq!(reply.status, 502);
}

#[test]
fn a_client_that_leaves_frees_the_upstream() {
    let resets = std::sync::Arc::new(AtomicUsize::new(0));
    let count = resets.clone();
    let upstream = raw::upstream(move |peer| {
        let Some(id) = peer.request()? else { return Ok(()) };
        peer.fields(id, &[(":status", "200")], false)?;
        while peer.reset()?.is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let vallum = vallum(&url(&upstream));
    let mut client = Client::connect(vallum.address);
    let id = client.request("GET", "/", &[], true);
    assert_eq!(client.head(id), 200);
    client.reset(id, CANCEL);
    wait_until("the upstream to hear of it", || (resets.load(Ordering::SeqCst) == 1).then_some(()));
}
