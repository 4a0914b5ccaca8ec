//! Requests on one connection: keep-alive, pipelining, answers without a body, and our own answers.

use std::io::ErrorKind;

use serde_json::json;

use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum};

#[test]
fn a_connection_serves_many_requests() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for i in 0..100 {
        let answer = wire.ask(get(HOST, &format!("/page?i={i}"), ""));
        assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some(format!("/page?i={i}").as_str())));
    }
    assert_eq!(upstream.connections(), 1, "the upstream connection is kept too");
    assert_eq!(upstream.complaints(), [""; 0]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    let paths: Vec<String> =
        (0..40).map(|i| if i % 3 == 0 { format!("/bytes/{i}") } else { format!("/p/{i}") }).collect();
    wire.send(paths.iter().map(|p| get(HOST, p, "")).collect::<String>());
    for (i, path) in paths.iter().enumerate() {
        let answer = wire.answer();
        assert_eq!(answer.status, 200);
        if i % 3 == 0 {
            assert_eq!(answer.body, crate::harness::pattern(i), "{path}");
        } else {
            assert_eq!(answer.json()["target"], path.as_str());
        }
    }
}

#[test]
fn a_pipelined_request_after_a_body_is_its_own() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.send(format!(
        "POST /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello\
         POST /b HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n{}",
        get(HOST, "/c", "")
    ));
    let targets: Vec<_> = (0..3).map(|_| wire.answer().json()["target"].clone()).collect();
    assert_eq!(targets, ["/a", "/b", "/c"]);
    let bodies: Vec<_> = upstream.requests().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [b"hello".to_vec(), b"world".to_vec(), Vec::new()]);
}

#[test]
fn connection_close_is_kept() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    let answer = wire.ask(get(HOST, "/", "Connection: close\r\n"));
    assert_eq!(answer.status, 200);
    assert!(answer.header("connection").eq_ignore_ascii_case("close"), "{answer:?}");
    assert!(wire.drain().is_empty());
}

#[test]
fn answers_without_a_body_end_at_their_head() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    let head = wire.send(format!("HEAD /bytes/1000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let answer = head.answer_to("HEAD");
    assert_eq!(answer.status, 200);
    for status in [204, 304] {
        let answer = wire.ask(get(HOST, &format!("/status/{status}"), ""));
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
    assert_eq!(wire.ask(get(HOST, "/after", "")).json()["target"], "/after");
}

#[test]
fn our_own_answers() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let cases = [
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), 400),
        ("two hosts", format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n"), 400),
        ("HTTP/1.0", format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n"), 426),
        ("HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n".to_owned(), 426),
        ("unknown host", get("nowhere.example.com", "/", ""), 404),
        ("a path that escapes a slash", get(HOST, "/a%2fb", ""), 400),
        ("a field name with an underscore", get(HOST, "/", "a_b: c\r\n"), 400),
        ("CONNECT", format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"), 400),
    ];
    for (name, request, status) in cases {
        let answer = vallum.connect().ask(request);
        let allowed: &[u16] = if name == "CONNECT" { &[400, 404, 405, 501] } else { &[status] };
        assert!(allowed.contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    for byte in get(HOST, "/slow", "X-Test: yes\r\n").bytes() {
        wire.send([byte]);
    }
    assert_eq!(wire.answer().json()["target"], "/slow");
}

#[test]
fn heads_without_end_and_too_many_fields_are_refused() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let long = get(HOST, "/", &format!("X-Long: {}\r\n", "a".repeat(1024 * 1024)));
    let many = get(HOST, "/", &"X-Many: a\r\n".repeat(20_000));
    let line = get(HOST, &format!("/{}", "a".repeat(1024 * 1024)), "");
    for (name, request) in [("a long field", long), ("many fields", many), ("a long target", line)] {
        let mut wire = vallum.connect();
        wire.send(request);
        match wire.try_answer("GET") {
            Ok(answer) => assert!(matches!(answer.status, 400 | 413 | 414 | 431), "{name}: {}", answer.status),
            Err(e) => assert!(e.kind() != ErrorKind::WouldBlock && e.kind() != ErrorKind::TimedOut, "{name}: {e}"),
        }
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(vallum.connect().ask(get(HOST, "/", "")).status, 200);
}

#[test]
fn ping_and_healthz_answer_on_every_host() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    for host in [HOST, "nowhere.example.com", "127.0.0.1"] {
        for path in ["/ping", "/healthz"] {
            let answer = vallum.connect().ask(get(host, path, ""));
            assert_eq!((answer.status, answer.text().as_str()), (200, "OK\n"), "{host}{path}");
            let head = format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(vallum.connect().send(head).answer_to("HEAD").status, 200, "{host}{path}");
            let post = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(vallum.connect().ask(post).status, 405, "{host}{path}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn every_request_has_an_id() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    wire.ask(get(HOST, "/one", ""));
    wire.ask(get(HOST, "/two", ""));
    let ids: Vec<String> = upstream.requests().iter().map(|r| r.header("x-request-id").to_owned()).collect();
    assert!(ids.iter().all(|id| !id.is_empty()) && ids[0] != ids[1], "{ids:?}");
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("path", json!("/two"))]);
    assert_eq!(line["request-id"], ids[1].as_str());
}

#[test]
fn the_client_may_half_close() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let mut wire = vallum.connect();
    let answer = wire.send(get(HOST, "/bytes/100000", "")).finish().answer();
    assert_eq!((answer.status, answer.body.len()), (200, 100_000));
}

#[test]
fn log_lines_have_pomeriums_fields() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([public_route(HOST, json!(upstream.url()))])));
    vallum.connect().ask(get(HOST, "/seen?secret=1", "User-Agent: tester\r\nReferer: https://x.example/y?z=1\r\n"));
    let line = vallum.wait_for_log(&[("message", json!("http-request"))]);
    let expected = [
        ("method", json!("GET")),
        ("authority", json!(HOST)),
        ("path", json!("/seen")),
        ("user-agent", json!("tester")),
        ("referer", json!("https://x.example/y")),
        ("forwarded-for", json!("127.0.0.1")),
        ("response-code", json!(200)),
    ];
    for (field, value) in expected {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    for field in ["duration", "size", "request-id", "upstream-cluster", "response-code-details", "time", "level"] {
        assert!(line.get(field).is_some(), "no {field} in {line}");
    }
}

#[test]
fn the_log_tells_what_the_upstream_got() {
    let upstream = Upstream::echo();
    let route = and(public_route(HOST, json!(upstream.url())), json!({"preserve_host_header": true}));
    let vallum = Vallum::start(clear(json!([route])));
    for (line, host, method, path, authority) in [
        ("OPTIONS *", HOST, "OPTIONS", "*", HOST),
        // About the server, not about a path (RFC 9112 section 3.2.4).
        ("OPTIONS http://app.example.com", HOST, "OPTIONS", "*", HOST),
        ("OPTIONS http://app.example.com/", HOST, "OPTIONS", "/", HOST),
        ("OPTIONS http://app.example.com?", HOST, "OPTIONS", "/", HOST),
        ("GET http://app.example.com", HOST, "GET", "/", HOST),
        ("GET /a/../b", "APP.example.com.:8443", "GET", "/b", "app.example.com:8443"),
        ("GET /", "app.example.com:", "GET", "/", HOST),
    ] {
        let before = upstream.requests().len();
        let answer = vallum.connect().ask(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{line}");
        let [request] = &upstream.requests()[before..] else { panic!("{line}: not one request") };
        let target = request.target.trim_end_matches('?');
        assert_eq!((request.method.as_str(), target, request.header("host")), (method, path, authority), "{line}");
        let id = json!(request.header("x-request-id"));
        let line = vallum.wait_for_log(&[("message", json!("http-request")), ("request-id", id)]);
        assert_eq!((&line["path"], &line["authority"]), (&json!(path), &json!(authority)));
    }
}
