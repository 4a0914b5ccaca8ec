//! Requests that would mean something else to an upstream of HTTP/1.1: they are refused, and nothing of them gets there.

use super::client::{Client, DATA, END_STREAM, HEADERS, PROTOCOL_ERROR, frame, line};
use super::{fields, public};
use crate::harness::Upstream;
use crate::harness::vallum::HOST;

type Field = (&'static str, &'static str);

/// Fields after a well-formed request line.
const FIELDS: &[&[Field]] = &[
    &[("x-a", "smuggled\r\nGET /smuggled HTTP/1.1")],
    &[("x-a", "smuggled\r")],
    &[("x-a", "smuggled\n")],
    &[("x-a", "smuggled\0")],
    &[("x-a", "a\x01smuggled")],
    &[("x-a", " smuggled")],
    &[("x-a", "smuggled ")],
    &[("X-Smuggled", "1")],
    &[("x-smuggleD", "1")],
    &[("x smuggled", "1")],
    &[("x-smuggled:", "1")],
    &[("x-smuggled\r\n", "1")],
    &[("", "smuggled")],
    &[("transfer-encoding", "chunked")],
    &[("transfer-encoding", "identity")],
    &[("connection", "keep-alive")],
    &[("connection", "x-smuggled"), ("x-smuggled", "1")],
    &[("keep-alive", "timeout=5")],
    &[("proxy-connection", "close")],
    &[("upgrade", "websocket")],
    &[("te", "gzip")],
    &[("content-length", "5")],
    &[("content-length", "+0")],
    &[("content-length", "0"), ("content-length", "1")],
    &[("content-length", "0, 0")],
    &[("host", "smuggled.example.com")],
    &[("host", HOST), ("host", "smuggled.example.com")],
    &[(":path", "/smuggled")],
    &[(":smuggled", "1")],
    &[("x-a", "1"), (":authority", "smuggled")],
    &[(":status", "200")],
];

/// Whole sets of pseudo-headers.
const LINES: &[&[Field]] = &[
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST)],
    &[(":method", "GET"), (":path", "/smuggled"), (":authority", HOST)],
    &[(":scheme", "https"), (":path", "/smuggled"), (":authority", HOST)],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "smuggled")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/smuggled HTTP/1.1\r\nx: y")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/smuggled x")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "https://smuggled/")],
    &[(":method", "GET /smuggled HTTP/1.1\r\n"), (":scheme", "https"), (":authority", HOST), (":path", "/")],
    &[(":method", "GE T"), (":scheme", "https"), (":authority", HOST), (":path", "/smuggled")],
    &[(":method", ""), (":scheme", "https"), (":authority", HOST), (":path", "/smuggled")],
    &[(":method", "GET"), (":scheme", "smuggled"), (":authority", HOST), (":path", "/")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", "app.example.com\r\nsmuggled: 1"), (":path", "/")],
    &[(":method", "GET"), (":scheme", "https"), (":authority", "smuggled@app.example.com"), (":path", "/")],
    &[(":method", "GET"), (":scheme", "https"), (":path", "/smuggled")],
    &[(":method", "CONNECT"), (":authority", "app.example.com:80")],
    &[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", HOST), (":path", "/")],
];

#[test]
fn malformed_requests_end_here() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let whole = FIELDS.iter().map(|more| [&line("GET", HOST, "/"), *more].concat());
    for fields in whole.chain(LINES.iter().map(|line| line.to_vec())) {
        let id = client.open(&fields, true);
        let reply = client.finish(id);
        let refused = reply.reset == Some(PROTOCOL_ERROR) || matches!(reply.status, 400..=499);
        assert!(refused, "{fields:?}: status {}, reset {:?}", reply.status, reply.reset);
        assert_eq!(upstream.received_text(), "", "{fields:?}");
    }
    assert_eq!(client.get("/good").status, 200, "the connection lives on");
    assert_eq!(upstream.only_request().target, "/good");
}

/// What is sent of a body, and of what length it was said to be.
#[test]
fn a_body_is_as_long_as_it_says() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let smuggled = b"abcdeGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (length, body, ends) in
        [("5", &smuggled[..], true), ("5", &smuggled[..], false), ("9", &b"smuggled"[..], true), ("100", b"", true)]
    {
        let id = client.request("POST", "/mismatch", &[("content-length", length)], false);
        client.send(frame(DATA, if ends { END_STREAM } else { 0 }, id, body));
        let reply = client.finish(id);
        assert!(reply.reset == Some(PROTOCOL_ERROR) || reply.status == 400, "{length}: {reply:?}");
    }
    // What came before the mismatch may have been passed on, but never as a whole request.
    let id = client.request("POST", "/mismatch", &[("content-length", "5")], false);
    client.send(frame(DATA, 0, id, b"abc"));
    crate::harness::wait_until("the first bytes at the upstream", || {
        upstream.received_text().contains("abc").then_some(())
    });
    client.send(frame(DATA, END_STREAM, id, &smuggled[3..]));
    assert_eq!(client.finish(id).reset, Some(PROTOCOL_ERROR));

    // One that is whole before the excess comes is whole without it.
    let id = client.request("POST", "/empty", &[("content-length", "0")], false);
    client.send(frame(DATA, END_STREAM, id, b"smuggled"));
    assert_eq!(client.finish(id).reset, Some(PROTOCOL_ERROR));

    assert_eq!(client.get("/good").status, 200);
    let whole = upstream.requests();
    assert!(whole.iter().all(|r| r.target != "/mismatch" && r.body.is_empty()), "{whole:?}");
    assert!(!upstream.received_text().contains("smuggled"), "{}", upstream.received_text());
}

/// Bytes of a body are bytes, whatever they look like, also in the framing of chunks.
#[test]
fn bodies_that_look_like_requests_stay_bodies() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = body.len().to_string();
    for fields in [&[("content-length", length.as_str())][..], &[]] {
        let id = client.request("POST", "/", fields, false);
        client.body(id, body);
        assert_eq!(client.finish(id).json()["body_length"], body.len(), "{fields:?}");
    }
    assert!(upstream.requests().iter().all(|r| r.target == "/" && r.body == body));
    assert_eq!(upstream.requests().len(), 2);
}

/// A trailer that is malformed, or a second head without an end, spoils its request.
#[test]
fn trailers_are_as_strict() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let cases: [(&[Field], u8); 4] = [
        (&[("x-a", "smuggled\r\nx: y")], END_STREAM),
        (&[(":path", "/smuggled")], END_STREAM),
        (&[("Smuggled", "1")], END_STREAM),
        (&[("x-a", "smuggled")], 0),
    ];
    for (trailers, flags) in cases {
        let id = client.request("POST", "/", &[], false);
        client.send(frame(DATA, 0, id, b"a"));
        client.send(frame(HEADERS, 4 | flags, id, &fields::encode(trailers)));
        assert_eq!(client.finish(id).reset, Some(PROTOCOL_ERROR), "{trailers:?}");
    }
    assert_eq!(client.get("/good").status, 200);
    assert_eq!(upstream.only_request().target, "/good");
    assert!(!upstream.received_text().contains("smuggled"), "{}", upstream.received_text());
}
