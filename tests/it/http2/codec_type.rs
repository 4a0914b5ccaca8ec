//! `codec_type`: what ALPN offers, and what a clear listener takes.

use std::sync::Arc;

use serde_json::json;

use super::client::{Client, PROTOCOL_ERROR};
use crate::harness::certificates::accept_any;
use crate::harness::vallum::{HOST, get, public_route};
use crate::harness::{Upstream, Vallum, Wire};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn start(upstream: &Upstream, insecure: bool, codec: &str) -> Vallum {
    let route = public_route(HOST, json!(upstream.url()));
    Vallum::start(json!({"routes": [route], "insecure_server": insecure, "codec_type": codec}))
}

/// What ALPN agrees on when `offered` is offered; `None` when it agrees on nothing, an error when the handshake fails.
fn agreed(vallum: &Vallum, offered: &[&str]) -> std::io::Result<Option<String>> {
    let mut config = accept_any(&[]);
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let wire = Wire::tls_with(vallum.address, HOST, Arc::new(config))?;
    Ok(wire.session().alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()))
}

#[test]
fn alpn_offers_what_is_spoken() {
    let upstream = Upstream::echo();
    for (codec, offered, expected) in [
        ("auto", &["http/1.1", "h2"][..], Some("h2")),
        ("http1", &["h2", "http/1.1"], Some("http/1.1")),
        ("http2", &["http/1.1", "h2"], Some("h2")),
    ] {
        let vallum = start(&upstream, false, codec);
        assert_eq!(agreed(&vallum, offered).unwrap().as_deref(), expected, "{codec}");
        // RFC 7301 section 3.2: without a protocol in common there is no connection.
        let other = match codec {
            "auto" => "spdy/3",
            "http1" => "h2",
            _ => "http/1.1",
        };
        assert!(agreed(&vallum, &[other]).is_err(), "{codec} and {other}");
        let mut nameless = Wire::tls(vallum.address, HOST);
        match codec {
            "http2" => assert!(!nameless.send(get(HOST, "/", "")).drain().starts_with(b"HTTP/1")),
            _ => assert_eq!(nameless.ask(get(HOST, "/", "")).status, 200, "{codec} without ALPN"),
        }
    }
}

#[test]
fn a_clear_listener_hears_what_is_spoken() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, true, "auto");
    let mut client = Client::clear(vallum.address);
    for _ in 0..2 {
        assert_eq!(client.get("/").json()["target"], "/");
    }
    assert_eq!(upstream.requests()[0].header("x-forwarded-proto"), "http");
    let mut wire = vallum.connect();
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
    // Only a connection's first bytes are a preface.
    let answer = String::from_utf8_lossy(&wire.send(PREFACE).drain()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 505"), "{answer}");
}

#[test]
fn a_preface_may_come_in_pieces() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, true, "auto");
    for piece in [1, 5, 17, 18, 19, 23] {
        let mut wire = vallum.connect();
        for part in PREFACE.chunks(piece) {
            wire.send(part);
        }
        wire.send([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let head = wire.take(9).expect("a frame");
        assert_eq!(head[3..], [4, 0, 0, 0, 0, 0], "SETTINGS, in pieces of {piece}");
    }
}

#[test]
fn what_only_begins_like_a_preface_is_http_1() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, true, "auto");
    for (text, status) in [
        (get(HOST, "/", "").replace("GET", "PRI"), 200),
        (get(HOST, "/", "").replace("GET", "POST"), 200),
        ("PRI * HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 505),
        ("PRI * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
    ] {
        assert_eq!(vallum.connect().ask(&text).status, status, "{text}");
    }
    // The rest of the preface is the codec's to check.
    let answer = vallum.connect().send("PRI * HTTP/2.0\r\n\r\nGET /").drain();
    assert!(answer.ends_with(&[0, 0, 0, PROTOCOL_ERROR as u8]) && answer[3] == 4, "{answer:?}");
}

#[test]
fn a_clear_listener_may_speak_one_version_alone() {
    let upstream = Upstream::echo();
    let one = start(&upstream, true, "http1");
    assert_eq!(one.connect().ask(get(HOST, "/", "")).status, 200);
    assert!(one.connect().send(PREFACE).drain().starts_with(b"HTTP/1.1 505"));
    let two = start(&upstream, true, "http2");
    assert_eq!(Client::clear(two.address).get("/").status, 200);
    assert!(!two.connect().send(get(HOST, "/", "")).drain().starts_with(b"HTTP/1"));
}

#[test]
fn nobody_is_upgraded_to_h2c() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, true, "auto");
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let answer = vallum.connect().ask(get(HOST, "/", fields));
    assert_eq!((answer.status, answer.header("upgrade")), (200, ""));
    let request = upstream.only_request();
    assert!(!request.has("upgrade") && !request.has("http2-settings"));
}
