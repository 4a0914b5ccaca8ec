//! WebSockets to upstreams of HTTP/2 (RFC 8441), from clients of both kinds.

use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::oracle::Oracle;
use super::raw::{self, url};
use crate::harness::peers::WebSocketEcho;
use crate::harness::vallum::{HOST, and, get, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, Wire, pattern, websocket};
use crate::http2::client::{CANCEL, Client, DATA, END_STREAM, frame};
use crate::http2::websocket::is_held_back;

const GOING_AWAY: [u8; 2] = 1001u16.to_be_bytes();
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn vallum(to: &str, more: Value) -> Vallum {
    let route = and(public_route(HOST, json!(to)), json!({"allow_websockets": true, "name": "ws"}));
    Vallum::start(json!({"workers": 1, "timeout_ping": "2s", "routes": [and(route, more)]}))
}

/// A request by HTTP/1.1 for a WebSocket.
fn upgrade(path: &str) -> String {
    let fields = format!(
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: chat, more\r\n"
    );
    get(HOST, path, &fields)
}

/// The same by HTTP/2.
fn ask(client: &mut Client, path: &str) -> u32 {
    let line = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", HOST)];
    client.open(&[&line[..], &[(":path", path), ("sec-websocket-version", "13")]].concat(), false)
}

fn open(vallum: &Vallum) -> Wire {
    let mut wire = vallum.connect_tls(HOST);
    assert_eq!(wire.ask(upgrade("/")).status, 101);
    wire
}

#[test]
fn a_client_of_http_1_is_answered_by_us() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url(), json!({}));
    let mut wire = vallum.connect_tls(HOST);
    let answer = wire.send(upgrade("/chat?x=1") + "ahead").answer();
    assert_eq!((answer.status, answer.header("upgrade"), answer.header("connection")), (101, "websocket", "upgrade"));
    assert_eq!(answer.all("sec-websocket-accept"), [websocket::accept(KEY)]);
    assert_eq!(answer.header("sec-websocket-protocol"), "chat");

    let asked: Value = serde_json::from_str(answer.header("x-asked")).unwrap();
    assert_eq!((&asked["method"], &asked["protocol"]), (&json!("CONNECT"), &json!("websocket")));
    assert_eq!(asked["uri"], format!("http://{}/chat?x=1", upstream.address));
    let fields = &asked["fields"];
    assert_eq!(fields["sec-websocket-version"], json!(["13"]));
    assert_eq!(fields["sec-websocket-protocol"], json!(["chat, more"]));
    assert_eq!(fields["x-forwarded-for"], json!(["127.0.0.1"]));
    for name in ["sec-websocket-key", "connection", "upgrade", "host", "content-length", "keep-alive"] {
        assert_eq!(fields[name], Value::Null, "{name}");
    }

    assert_eq!(wire.take(5).unwrap(), b"ahead");
    let many = pattern(300_000);
    for piece in many.chunks(50_000) {
        wire.send(piece);
        assert!(wire.take(piece.len()).unwrap() == piece);
    }
    assert_eq!(wire.finish().drain(), b"");
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("response-code", json!(101))]);
    assert_eq!((&line["method"], &line["path"]), (&json!("GET"), &json!("/chat")));
    vallum.wait_for_metric("vallum_http_streams_closed_total", &[("route", "ws"), ("cause", "client")], 1.0);
}

#[test]
fn a_client_of_http_2_finds_the_same() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url(), json!({}));
    let mut client = Client::connect(vallum.address);
    let id = ask(&mut client, "/chat");
    assert_eq!(client.head(id), 200);
    client.send(frame(DATA, 0, id, b"to and fro"));
    assert_eq!(client.take(id, 10), b"to and fro");
    client.send(frame(DATA, END_STREAM, id, b"the end"));
    let reply = client.finish(id);
    assert_eq!((reply.body.as_slice(), reply.ended, reply.reset), (&b"the end"[..], true, None));
    assert_eq!((reply.header("sec-websocket-accept"), reply.header("sec-websocket-protocol")), ("", "chat"));
    let asked: Value = serde_json::from_str(reply.header("x-asked")).unwrap();
    assert_eq!((&asked["method"], &asked["protocol"]), (&json!("CONNECT"), &json!("websocket")));
    assert_eq!(asked["fields"]["sec-websocket-key"], Value::Null);
    // WebSockets and requests share a connection.
    let other = client.get("/");
    assert_eq!((other.status, &other.json()["connection"], upstream.connections()), (200, &json!(0), 1));
}

#[test]
fn an_upstream_that_takes_none_is_told_of() {
    let upstream = raw::upstream(|peer| {
        while let Some(id) = peer.request()? {
            peer.answer(id, "no WebSocket")?;
        }
        Ok(())
    });
    let vallum = vallum(&url(&upstream), json!({}));
    // On a fresh connection, and on one that has served others.
    for _ in 0..2 {
        let answer = vallum.connect_tls(HOST).ask(upgrade("/"));
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("takes no WebSocket over it (RFC 8441)"), "{}", answer.text());
        let mut client = Client::connect(vallum.address);
        let id = ask(&mut client, "/");
        assert_eq!(client.finish(id).status, 502);
        assert_eq!(client.get("/").body, b"no WebSocket");
    }
    vallum.wait_for_log(&[("response-code-details", json!("upstream_websocket"))]);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn what_an_upstream_takes_is_awaited_to_the_last_byte() {
    let upstream = raw::taking_websockets_slowly(|peer| {
        let Some(id) = peer.head()? else { return Ok(()) };
        peer.fields(id, &[(":status", "200")], false)?;
        peer.wait_for_close()
    });
    open(&vallum(&url(&upstream), json!({})));
}

#[test]
fn a_key_that_cannot_be_answered_is_refused() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url(), json!({}));
    let line = format!("Sec-WebSocket-Key: {KEY}\r\n");
    for keys in [String::new(), line.replace("==", ""), line.replace("dGhl", ""), line.repeat(2)] {
        let answer = vallum.connect_tls(HOST).ask(upgrade("/").replace(&line, &keys));
        assert_eq!((answer.status, answer.header("connection")), (400, "close"), "{keys:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn a_refusal_is_an_answer() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url(), json!({}));
    let mut wire = vallum.connect_tls(HOST);
    let answer = wire.send(upgrade("/no") + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert_eq!(wire.drain(), b"", "whose protocol the rest speaks nobody can say");
    let mut client = Client::connect(vallum.address);
    let id = ask(&mut client, "/no");
    let reply = client.finish(id);
    assert_eq!((reply.status, reply.body.as_slice()), (403, &b"no"[..]));
    assert_eq!(client.get("/ping").status, 200, "the connection lives on");
}

#[test]
fn what_breaks_on_one_side_breaks_on_the_other() {
    let upstream = raw::taking_websockets(|peer| {
        let Some(id) = peer.head()? else { return Ok(()) };
        peer.fields(id, &[(":status", "200")], false)?;
        peer.part()?;
        peer.reset_stream(id, CANCEL)?;
        peer.wait_for_close()
    });
    let vallum = vallum(&url(&upstream), json!({}));
    let mut wire = open(&vallum);
    assert_eq!(wire.send("x").drain(), b"");
    let mut client = Client::connect(vallum.address);
    let id = ask(&mut client, "/");
    client.send(frame(DATA, 0, id, b"x"));
    assert_eq!(client.finish(id).reset, Some(CANCEL), "RFC 8441 section 5");

    let (told, heard) = channel();
    let upstream = raw::taking_websockets(move |peer| {
        let Some(id) = peer.head()? else { return Ok(()) };
        peer.fields(id, &[(":status", "200")], false)?;
        told.send(peer.reset()?).ok();
        Ok(())
    });
    let vallum = self::vallum(&url(&upstream), json!({}));
    let mut client = Client::connect(vallum.address);
    let id = ask(&mut client, "/");
    assert_eq!(client.head(id), 200);
    client.reset(id, CANCEL);
    assert!(heard.recv_timeout(PATIENCE).unwrap().is_some(), "the stream is reset");
}

#[test]
fn either_side_may_end_first() {
    let upstream = raw::taking_websockets(|peer| {
        let Some(id) = peer.head()? else { return Ok(()) };
        peer.fields(id, &[(":status", "200")], false)?;
        peer.data(id, b"last words", true)?;
        let (mut heard, mut ended) = peer.part()?;
        while !ended {
            let (more, last) = peer.part()?;
            heard.extend_from_slice(&more);
            ended = last;
        }
        assert_eq!(heard, b"an answer");
        peer.wait_for_close()
    });
    let vallum = vallum(&url(&upstream), json!({}));
    let mut wire = open(&vallum);
    assert_eq!(wire.drain(), b"last words");
    wire.send("an answer").finish();
    let ended = [("route", "ws"), ("cause", "upstream")];
    vallum.wait_for_metric("vallum_http_streams_closed_total", &ended, 1.0);
}

#[test]
fn a_client_that_does_not_read_holds_its_upstream_back() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url(), json!({}));
    let mut client = Client::with_window(vallum.address, Some(1000));
    client.grants = false;
    let id = ask(&mut client, "/");
    assert_eq!(client.head(id), 200);
    is_held_back(&vallum, &mut client, id);
}

#[test]
fn both_sides_are_told_when_it_ends() {
    let goodbye = [&[0x88, 2][..], &GOING_AWAY].concat();
    let (told, heard) = channel();
    let upstream = || {
        let told = told.clone();
        raw::taking_websockets(move |peer| {
            let Some(id) = peer.head()? else { return Ok(()) };
            peer.fields(id, &[(":status", "200")], false)?;
            told.send(peer.part()?.0).ok();
            peer.data(id, b"", true)?;
            peer.wait_for_close()
        })
    };
    let assert_told = || {
        let close = heard.recv_timeout(PATIENCE).expect("a close frame");
        assert_eq!((close[0], close[1], close.len()), (0x88, 0x82, 8), "masked");
        assert_eq!([close[6] ^ close[2], close[7] ^ close[3]], GOING_AWAY);
    };
    let idle = upstream();
    let vallum = vallum(&url(&idle), json!({"idle_timeout": "300ms"}));
    assert_eq!(open(&vallum).drain(), goodbye);
    assert_told();
    let leaving = upstream();
    let mut vallum = self::vallum(&url(&leaving), json!({}));
    let mut wire = open(&vallum);
    vallum.process.signal(Signal::TERM);
    assert_eq!(wire.drain(), goodbye);
    assert_told();
    drop(wire);
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_server_that_is_stopped_leaves_no_tunnel_open() {
    let server = WebSocketEcho::over_http2();
    let vallum = vallum(&format!("h2c://{}", server.address), json!({}));
    let mut wire = open(&vallum);
    wire.send(websocket::frame(websocket::TEXT, b"x", Some([0; 4])));
    assert_eq!(wire.take(3).unwrap(), [0x81, 1, b'x']);
    server.process.signal(Signal::STOP);
    assert_eq!(wire.drain(), b"");
    vallum.wait_for_metric("vallum_limits_total", &[("limit", "upstream_ping_timeout")], 1.0);
}

#[test]
fn other_protocols_are_not_taken_there() {
    let upstream: Upstream = raw::taking_websockets(|peer| peer.wait_for_close());
    let vallum = vallum(&url(&upstream), json!({"allow_upgrades": ["websocket", "other/1"]}));
    let asked = upgrade("/").replace("Upgrade: websocket", "Upgrade: other/1");
    assert_eq!(vallum.connect_tls(HOST).ask(asked).status, 403);
    assert_eq!(upstream.connections(), 0);
}
