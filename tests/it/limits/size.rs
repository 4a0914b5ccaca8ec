//! Too large: bodies (413), heads (431), targets (414).

use serde_json::json;

use super::{limited, told};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum, pattern};

const MAX: usize = 100_000;

fn post(fields: &str) -> String {
    format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

#[test]
fn an_announced_body_that_is_too_large_is_refused_at_once() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"max_request_body_bytes": MAX}));
    let mut wire = vallum.connect();
    wire.send(post(&format!("Content-Length: {MAX}\r\n"))).send(pattern(MAX));
    assert_eq!(wire.answer().json()["body_length"], MAX);

    // Not a byte of the body is sent: the answer does not wait for it.
    let answer = wire.ask(post(&format!("Content-Length: {}\r\n", MAX + 1)));
    assert_eq!((answer.status, answer.header("connection")), (413, "close"));
    wire.drain();
    let expecting = post(&format!("Content-Length: {}\r\nExpect: 100-continue\r\n", MAX + 1));
    let answer = vallum.connect().ask(expecting);
    assert_eq!((answer.status, answer.interim.len()), (413, 0));
    assert_eq!(upstream.requests().len(), 1);
    told(&vallum, "request_body_too_large");
}

#[test]
fn a_chunked_body_is_cut_where_it_becomes_too_large() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({"max_request_body_bytes": MAX}));
    let chunk = |size: usize| [format!("{size:x}\r\n").into_bytes(), pattern(size), b"\r\n".to_vec()].concat();
    let mut wire = vallum.connect();
    wire.send(post("Transfer-Encoding: chunked\r\n")).send(chunk(MAX)).send("0\r\n\r\n");
    assert_eq!(wire.answer().json()["body_length"], MAX);

    for parts in [vec![MAX + 1], vec![MAX, 1], vec![1000; 200]] {
        let mut wire = vallum.connect();
        wire.send(post("Transfer-Encoding: chunked\r\n"));
        for part in &parts {
            wire.send(chunk(*part));
        }
        let answer = wire.answer();
        assert_eq!((answer.status, answer.header("connection")), (413, "close"), "{}", parts.len());
    }
    assert_eq!(upstream.requests().len(), 1, "a cut body never looks whole to the upstream");
    told(&vallum, "request_body_too_large");
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200);
}

#[test]
fn a_route_has_the_last_word_about_its_bodies() {
    let upstream = Upstream::echo();
    let with =
        |host: &str, max: u64| and(public_route(host, json!(upstream.url())), json!({"max_request_body_bytes": max}));
    let routes =
        json!([with("small.example.com", 10), with("free.example.com", 0), public_route(HOST, json!(upstream.url()))]);
    let vallum = Vallum::start(and(clear(routes), json!({"max_request_body_bytes": 100})));
    for (host, size, status) in
        [("small.example.com", 11, 413), ("free.example.com", 1000, 200), (HOST, 100, 200), (HOST, 101, 413)]
    {
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n");
        assert_eq!(vallum.connect().send(head).send(pattern(size)).answer().status, status, "{host} {size}");
    }
}

#[test]
fn heads_and_targets_that_are_too_large_are_named() {
    let upstream = Upstream::echo();
    let vallum = limited(&upstream, json!({}));
    let long = get(HOST, "/", &format!("X-Long: {}\r\n", "a".repeat(200 * 1024)));
    let many = get(HOST, "/", &"X-Many: a\r\n".repeat(1001));
    let target = get(HOST, &format!("/{}", "a".repeat(33 * 1024)), "");
    for (request, status, limit) in [
        (long, 431, "request_head_too_large"),
        (many, 431, "request_head_too_large"),
        (target, 414, "target_too_large"),
    ] {
        let answer = vallum.connect().ask(request);
        assert_eq!((answer.status, answer.header("connection")), (status, "close"));
        told(&vallum, limit);
    }
    assert!(upstream.requests().is_empty());
}
