//! WebSockets on streams (RFC 8441): opened, refused, carried both ways, and ended from either side.

use std::io;
use std::sync::mpsc::{Receiver, channel};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::client::{CANCEL, Client, DATA, END_STREAM, NO_ERROR, PROTOCOL_ERROR, frame};
use crate::harness::upstream::Served;
use crate::harness::vallum::{HOST, and, public_route};
use crate::harness::{PATIENCE, Upstream, Vallum, pattern, websocket};

const GOING_AWAY: [u8; 2] = 1001u16.to_be_bytes();

/// What a browser sends.
fn asked(path: &str) -> Vec<(&str, &str)> {
    asked_for("websocket", path)
}

fn asked_for<'a>(protocol: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
        ("sec-websocket-version", "13"),
        ("origin", "https://app.example.com"),
    ]
}

fn vallum_with(upstream: &Upstream, more: Value) -> Vallum {
    let route = and(public_route(HOST, json!(upstream.url())), json!({"allow_websockets": true, "name": "ws"}));
    Vallum::start(json!({"routes": [and(route, more)], "workers": 1}))
}

/// Accepts as RFC 6455 says.
fn accept(served: &mut Served) -> io::Result<bool> {
    let Some(request) = served.request()? else { return Ok(false) };
    let accept = websocket::accept(request.header("sec-websocket-key"));
    served.write(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nX-More: yes\r\n\r\n"
    ))?;
    Ok(true)
}

/// Accepts, then sends every byte back; tells when the client has ended.
fn echo() -> (Upstream, Receiver<()>) {
    let (ended, told) = channel();
    let upstream = Upstream::with(move |served| {
        if accept(served)? {
            let result = served.echo_bytes();
            ended.send(()).ok();
            result?;
        }
        Ok(())
    });
    (upstream, told)
}

/// An open stream.
#[track_caller]
fn open(client: &mut Client) -> u32 {
    let id = client.open(&asked("/socket?x=1"), false);
    assert_eq!(client.head(id), 200);
    id
}

#[test]
fn it_is_an_upgrade_for_the_upstream() {
    let (upstream, _) = echo();
    let vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    assert_eq!(client.get("/ping").status, 200);
    assert!(client.offers_connect);
    let more = [("sec-websocket-key", "forged"), ("sec-websocket-protocol", "chat")];
    let id = client.open(&[&asked("/socket?x=1")[..], &more].concat(), false);
    assert_eq!(client.head(id), 200);
    let request = upstream.only_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/socket?x=1"));
    assert_eq!((request.header("connection"), request.header("upgrade")), ("upgrade", "websocket"));
    assert_eq!(request.header("sec-websocket-version"), "13");
    assert_eq!((request.header("sec-websocket-key").len(), request.header("sec-websocket-protocol")), (24, "chat"));
    assert!(!request.has("content-length") && !request.has("transfer-encoding"));

    client.send(frame(DATA, 0, id, b"to and fro"));
    assert_eq!(client.take(id, 10), b"to and fro");
    client.send(frame(DATA, END_STREAM, id, b"the end"));
    let reply = client.finish(id);
    assert_eq!((reply.body.as_slice(), reply.ended, reply.reset), (&b"the end"[..], true, None));
    let named = |name: &str| reply.headers.iter().any(|(n, _)| n == name);
    assert!(named("x-more") && !named("sec-websocket-accept") && !named("upgrade") && !named("connection"));
    vallum.wait_for_metric("vallum_http_streams_closed_total", &[("route", "ws")], 1.0);
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("response-code", json!(101))]);
    assert_eq!((&line["method"], &line["path"]), (&json!("GET"), &json!("/socket")));
    assert_eq!(client.get("/ping").status, 200, "the connection lives on");
}

#[test]
fn what_is_not_allowed_is_refused() {
    let (upstream, _) = echo();
    let vallum = vallum_with(&upstream, json!({"allow_websockets": false}));
    let mut client = Client::connect(vallum.address);
    let ask = |client: &mut Client, fields: &[(&str, &str)]| {
        let id = client.open(fields, false);
        let reply = client.finish(id);
        (reply.status, reply.reset)
    };
    assert_eq!(ask(&mut client, &asked("/")), (403, None), "the route allows none");
    for protocol in ["connect-udp", "connect-ip", "WebSocket", "h2c"] {
        assert_eq!(ask(&mut client, &asked_for(protocol, "/")), (501, None), "{protocol}");
    }
    for path in ["/ping", "/healthz", "/.pomerium/", "/.well-known/pomerium"] {
        assert_eq!(ask(&mut client, &asked(path)), (403, None), "{path} opens no tunnel");
    }
    let plain = [(":method", "CONNECT"), (":authority", "app.example.com:443")];
    assert_eq!(ask(&mut client, &plain), (405, None), "plain CONNECT");
    let with_length = [&asked("/")[..], &[("content-length", "3")]].concat();
    assert_eq!(ask(&mut client, &with_length), (0, Some(PROTOCOL_ERROR)), "what follows is no content");
    assert_eq!(client.get("/ping").status, 200, "the connection lives on");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn routes_that_answer_by_themselves_open_no_tunnel() {
    let (upstream, _) = echo();
    let route = json!({"from": format!("https://{HOST}"), "response": {"status": 200, "body": "hello"},
        "allow_public_unauthenticated_access": true});
    let vallum = Vallum::start(json!({"routes": [route, public_route("other.example.com", json!(upstream.url()))]}));
    let mut client = Client::connect(vallum.address);
    let id = client.open(&asked("/"), false);
    assert_eq!(client.finish(id).status, 403);
    assert_eq!(client.get("/").body, b"hello");
}

#[test]
fn the_upstream_must_open_it() {
    for (answer, status) in [
        ("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502),
        (
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
        ("HTTP/1.1 101 Switching\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 502),
        ("HTTP/1.1 204 No Content\r\n\r\n", 502),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302),
        ("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", 426),
    ] {
        let upstream = Upstream::with(move |served| {
            served.request()?;
            served.write(answer)?;
            served.stay_silent();
            Ok(())
        });
        let vallum = vallum_with(&upstream, json!({}));
        let mut client = Client::connect(vallum.address);
        let id = client.open(&asked("/"), false);
        client.send(frame(DATA, 0, id, b"too early"));
        let reply = client.finish(id);
        assert_eq!(reply.status, status, "{answer}");
        assert!(!upstream.received_text().contains("too early"), "{answer}");
        assert_eq!(client.get("/ping").status, 200, "{answer}: the connection lives on");
    }
}

#[test]
fn nothing_is_lost_in_either_direction() {
    let (upstream, _) = echo();
    let vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    let sent = pattern(3 << 20);
    client.body(id, &sent);
    let reply = client.finish(id);
    assert!(reply.body == sent && reply.ended, "{} bytes, {:?}", reply.body.len(), reply.reset);
}

#[test]
fn a_client_that_does_not_read_holds_its_upstream_back() {
    let (upstream, _) = echo();
    let vallum = vallum_with(&upstream, json!({"timeout": "0s"}));
    let mut client = Client::with_window(vallum.address, Some(1000));
    client.grants = false;
    let id = open(&mut client);
    is_held_back(&vallum, &mut client, id);
}

/// What comes back finds no room, so what is sent does not either at some point; others are served.
#[track_caller]
pub fn is_held_back(vallum: &Vallum, client: &mut Client, id: u32) {
    let before = vallum.process.resident_kib();
    let sent = client.fill(&[id]);
    let after = vallum.process.resident_kib();
    println!("took {sent} bytes; resident before {before} KiB, after {after} KiB");
    assert!(after < before + 32 * 1024, "resident memory grew from {before} to {after} KiB");
    client.reset(id, CANCEL);
    assert_eq!(client.get("/ping").status, 200);
}

#[test]
fn a_half_closed_client_still_hears() {
    let upstream = Upstream::with(|served| {
        accept(served)?;
        let count = served.rest()?.len();
        served.write(format!("you sent {count} bytes"))
    });
    let vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    client.send(frame(DATA, END_STREAM, id, b"12345"));
    let reply = client.finish(id);
    assert_eq!((reply.body.as_slice(), reply.ended), (&b"you sent 5 bytes"[..], true));
}

#[test]
fn a_half_closed_upstream_still_hears() {
    let (heard, told) = channel();
    let upstream = Upstream::with(move |served| {
        accept(served)?;
        served.write("last words")?;
        served.finish()?;
        heard.send(served.rest()?).ok();
        Ok(())
    });
    let vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    let reply = client.finish(id);
    assert_eq!((reply.body.as_slice(), reply.ended), (&b"last words"[..], true));
    client.send(frame(DATA, END_STREAM, id, b"an answer"));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"an answer");
}

#[test]
fn a_reset_ends_the_upstream_and_a_broken_upstream_the_stream() {
    let (upstream, told) = echo();
    let vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    client.reset(id, CANCEL);
    told.recv_timeout(PATIENCE).expect("the upstream's connection has ended");

    let breaking = Upstream::with(|served| {
        accept(served)?;
        served.break_off()
    });
    let vallum = vallum_with(&breaking, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    assert_eq!(client.finish(id).reset, Some(CANCEL), "RFC 8441 section 5");
    assert_eq!(client.get("/ping").status, 200, "the connection lives on");
}

#[test]
fn silence_ends_it_with_a_word() {
    let (upstream, told) = echo();
    let vallum = vallum_with(&upstream, json!({"idle_timeout": "300ms"}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    let goodbye = client.take(id, 4);
    assert_eq!((&goodbye[..2], &goodbye[2..]), (&[0x88, 2][..], &GOING_AWAY[..]));
    told.recv_timeout(PATIENCE).expect("the upstream is told as well");
    vallum.wait_for_metric("vallum_http_streams_closed_total", &[("route", "ws"), ("cause", "idle")], 1.0);
}

#[test]
fn the_end_of_the_process_is_told_between_two_frames() {
    let upstream = Upstream::with(|served| {
        accept(served)?;
        // Half a frame; the other half goes out when we have been told that the edge leaves.
        served.write([0x82, 4, 1, 2])?;
        let goodbye = served.take(8)?;
        assert_eq!((goodbye[0], goodbye[1]), (0x88, 0x82), "a close frame, masked");
        assert_eq!([goodbye[6] ^ goodbye[2], goodbye[7] ^ goodbye[3]], GOING_AWAY);
        served.write([3, 4])?;
        assert_eq!(served.rest()?, b"");
        Ok(())
    });
    let mut vallum = vallum_with(&upstream, json!({}));
    let mut client = Client::connect(vallum.address);
    let id = open(&mut client);
    assert_eq!(client.take(id, 4), [0x82, 4, 1, 2]);
    vallum.process.signal(Signal::TERM);
    assert_eq!(client.take(id, 2), [3, 4], "the frame is whole");
    assert_eq!(client.take(id, 4)[2..], GOING_AWAY);
    client.send(frame(DATA, END_STREAM, id, &websocket::frame(websocket::CLOSE, &GOING_AWAY, Some([1, 2, 3, 4]))));
    assert!(client.finish(id).ended);
    assert_eq!(client.drain(), Some(NO_ERROR));
    drop(client);
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}
