//! Upstreams that are many, slow, silent, closing, early or hostile.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Instant;

use serde_json::json;

use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::websocket;
use crate::harness::{Upstream, Vallum, wait_until};

/// An address where nobody listens: taken and given back.
fn refusing() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn requests_are_spread_by_weight() {
    let (one, three) = (Upstream::named("one"), Upstream::named("three"));
    let to = json!([[one.url(), 10], [three.url(), 30]]);
    let settings = and(clear(json!([public_route(HOST, to)])), json!({"workers": 1}));
    let vallum = Vallum::start(settings);
    let mut wire = vallum.connect();
    let mut counts = BTreeMap::new();
    for _ in 0..80 {
        let server = wire.ask(get(HOST, "/", "")).json()["server"].as_str().unwrap().to_owned();
        *counts.entry(server).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("one".to_owned(), 20), ("three".to_owned(), 60)]));
}

#[test]
fn an_upstream_connection_is_used_again_by_other_clients() {
    let upstream = Upstream::echo();
    let settings = and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"workers": 1}));
    let vallum = Vallum::start(settings);
    for _ in 0..20 {
        assert_eq!(vallum.connect().ask(get(HOST, "/", "Connection: close\r\n")).status, 200);
    }
    assert!(upstream.connections() <= 2, "{} connections for 20 requests in a row", upstream.connections());
}

#[test]
fn a_pooled_connection_that_was_closed_costs_no_request() {
    let upstream = Upstream::with(|served| {
        served.request()?;
        served.answer(200, "", b"bye")
    });
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for i in 0..30 {
        let answer = wire.ask(get(HOST, &format!("/{i}"), ""));
        assert_eq!(answer.status, 200, "request {i}: {}", answer.text());
    }
}

#[test]
fn a_refusing_endpoint_is_passed_over() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!([refusing(), upstream.url()]))])));
    for _ in 0..20 {
        assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200);
    }
    let post = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello");
    for _ in 0..4 {
        assert_eq!(vallum.connect().ask(&post).json()["body_length"], 5);
    }
}

#[test]
fn no_endpoint_reachable_is_503_and_said_so() {
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!([refusing(), refusing()]))])));
    let mut wire = vallum.connect();
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 503);
    assert_eq!(wire.ask(get(HOST, "/ping", "")).status, 200, "the connection is kept");
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("response-code", json!(503))]);
    assert_ne!(line["response-code-details"], "via_upstream");
}

#[test]
fn an_endpoint_that_comes_back_is_used_again() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!(format!("http://{address}")))])));
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 503);
    let listener = TcpListener::bind(address).expect("the port is free still");
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            std::io::Write::write_all(&mut &socket, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok();
        }
    });
    wait_until("an answer of the endpoint that came back", || {
        (vallum.connect().ask(get(HOST, "/", "")).status == 200).then_some(())
    });
}

#[test]
fn a_silent_upstream_is_504_at_the_routes_timeout() {
    let upstream = Upstream::with(|served| {
        served.request()?;
        served.stay_silent();
        Ok(())
    });
    let route = and(public_route(HOST, json!(upstream.url())), json!({"timeout": "500ms"}));
    let vallum = Vallum::start(clear(json!([route])));
    let began = Instant::now();
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 504);
    assert!(began.elapsed().as_millis() >= 450, "sooner than the route says");
    assert_eq!(upstream.requests().len(), 1, "a request that was sent is not sent again");
}

#[test]
fn an_upstream_that_closes_without_a_word_is_not_asked_twice() {
    let upstream = Upstream::with(|served| served.request().map(drop));
    let vallum = Vallum::public(&upstream);
    let post = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello");
    let answer = vallum.connect().ask(post);
    assert!(matches!(answer.status, 502 | 503), "{}", answer.status);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_early_answer_reaches_the_client() {
    let upstream = Upstream::with(|served| {
        served.head()?;
        served.answer(413, "Connection: close\r\n", b"too much")
    });
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000000\r\n\r\n"));
    wire.send(vec![b'x'; 10_000]);
    let answer = wire.answer();
    assert_eq!((answer.status, answer.text().as_str()), (413, "too much"));
    wire.drain();
}

#[test]
fn interim_answers_do_not_replace_the_final_one() {
    let upstream = Upstream::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for _ in 0..2 {
        let answer = wire.ask(get(HOST, "/", ""));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}

/// Answers that no upstream should give. The client gets a 502 or a cut connection, never a wrong reading, and the
/// next client is not harmed.
#[test]
fn hostile_answers_harm_nobody() {
    let cases: &[(&str, &str)] = &[
        ("no HTTP", "what?\r\n\r\n"),
        ("nothing", ""),
        ("an old version", "HTTP/0.9 200 OK\r\n\r\n"),
        ("status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        ("status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab"),
        ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na"),
        ("a length in hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na"),
        ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: wonders\r\n\r\nab"),
        (
            "a chunk size that is no number",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        ),
        ("a chunk size too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab"),
        ("a chunk that is too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
        ("a folded line", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
        ("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        ("NUL in a field", "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n"),
        ("a bare CR in a field", "HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n"),
        ("101 unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello"),
    ];
    for (name, bytes) in cases {
        let owned = bytes.as_bytes().to_vec();
        let upstream = Upstream::with(move |served| {
            served.request()?;
            served.write(&owned)
        });
        let good = Upstream::echo();
        let routes =
            json!([public_route(HOST, json!(upstream.url())), public_route("good.example.com", json!(good.url()))]);
        let vallum = Vallum::start(clear(routes));
        let mut wire = vallum.connect();
        match wire.send(get(HOST, "/", "")).try_answer("GET") {
            Ok(answer) => assert!(matches!(answer.status, 502 | 503), "{name}: {} {}", answer.status, answer.text()),
            Err(e) => assert_ne!(e.kind(), std::io::ErrorKind::WouldBlock, "{name} hangs"),
        }
        assert_eq!(vallum.connect().ask(get("good.example.com", "/", "")).status, 200, "{name}");
        assert_eq!(vallum.panics(), [""; 0], "{name}");
    }
}

#[test]
fn surplus_bytes_of_an_upstream_reach_nobody() {
    // Behind each answer lies a second one that nobody asked for; were the connection kept, the next client got it.
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    );
    let settings = and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"workers": 1}));
    let vallum = Vallum::start(settings);
    for _ in 0..10 {
        let answer = vallum.connect().ask(get(HOST, "/", ""));
        assert_eq!((answer.status, answer.text().as_str()), (200, "good"));
    }
    assert_eq!(upstream.connections(), 10);
}

#[test]
fn a_body_cut_short_is_cut_short_for_the_client() {
    let upstream = Upstream::with(|served| {
        served.request()?;
        served.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    });
    let vallum = Vallum::public(&upstream);
    let error = vallum.connect().send(get(HOST, "/", "")).try_answer("GET").expect_err("an incomplete answer");
    assert!(!matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_websocket_passes_where_the_route_allows_it() {
    let upstream = Upstream::echo();
    let open = and(public_route("open.example.com", json!(upstream.url())), json!({"allow_websockets": true}));
    let vallum = Vallum::start(clear(json!([open, public_route("shut.example.com", json!(upstream.url()))])));
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut wire = vallum.connect();
    let answer = wire.ask(get("open.example.com", "/websocket", upgrade));
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for text in ["hello", "and again", &"long ".repeat(5000)] {
        wire.send(websocket::frame(websocket::TEXT, text.as_bytes(), Some([1, 2, 3, 4])));
        let expected = websocket::frame(websocket::TEXT, text.as_bytes(), None);
        assert_eq!(wire.take(expected.len()).expect("an echo"), expected);
    }
    wire.send(websocket::frame(websocket::CLOSE, &[], Some([1, 2, 3, 4])));
    assert_eq!(wire.drain(), websocket::frame(websocket::CLOSE, &[], None));

    let answer = vallum.connect().ask(get("shut.example.com", "/websocket", upgrade));
    assert_ne!(answer.status, 101);
    assert!(upstream.requests().iter().filter(|r| r.has("upgrade")).count() <= 1, "{:?}", upstream.requests());
}
