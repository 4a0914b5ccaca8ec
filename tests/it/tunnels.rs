//! WebSockets and other upgrades, over HTTP/1.1 and on streams of HTTP/2: the same bytes as without us, no byte before its
//! time, and an end that both sides hear of.

use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::peers::{Provider, WebSocketEcho, try_websocket};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::visitor::Visitor;
use crate::harness::{PATIENCE, Upstream, Vallum, Wire, pattern, websocket};
use crate::http2::client::{Client, line};
use crate::signin::sign_out;

const GOING_AWAY: [u8; 2] = 1001u16.to_be_bytes();
const POLICY_VIOLATION: [u8; 2] = 1008u16.to_be_bytes();

/// A route for WebSockets and `other/1`.
fn route(to: &str) -> Value {
    and(public_route(HOST, json!(to)), json!({"allow_websockets": true, "allow_upgrades": ["other/1", "websocket"]}))
}

/// A request to upgrade, with more field lines.
fn upgrade(protocol: &str, fields: &str) -> String {
    get(HOST, "/websocket", &format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n{fields}"))
}

/// Switches to what is asked for; then `run`.
fn switching(
    run: impl Fn(&mut crate::harness::upstream::Served) -> io::Result<()> + Send + Sync + 'static,
) -> Upstream {
    Upstream::with(move |served| {
        let Some(request) = served.request()? else { return Ok(()) };
        let protocol = request.header("upgrade").to_owned();
        served.write(format!("HTTP/1.1 101 Switching\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\r\n"))?;
        run(served)
    })
}

fn open(vallum: &Vallum, protocol: &str) -> Wire {
    let mut wire = vallum.connect();
    assert_eq!(wire.ask(upgrade(protocol, "")).status, 101);
    wire
}

#[test]
fn what_a_websocket_says_is_the_same_with_and_without_us() {
    let (server, over_http2) = (WebSocketEcho::start(), WebSocketEcho::over_http2());
    let direct = try_websocket("direct", server.address, HOST);
    assert!(direct.len() > 70, "{} cases", direct.len());
    for (name, outcome) in &direct {
        let outcome = outcome.as_str().expect("a text");
        assert!(outcome.starts_with("permessage-deflate") && outcome.ends_with(" end"), "{name}: {outcome}");
    }
    for to in [format!("http://{}", server.address), format!("h2c://{}", over_http2.address)] {
        let vallum = Vallum::start(json!({"routes": [route(&to)]}));
        for way in ["http1", "http2"] {
            let through = try_websocket(way, vallum.address, HOST);
            for (name, outcome) in &direct {
                assert_eq!(through.get(name), Some(outcome), "{way} to {to}: {name}");
            }
        }
        assert_eq!(vallum.panics(), [""; 0]);
    }
}

#[test]
fn nothing_is_sent_as_a_tunnel_before_there_is_one() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 200),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 502),
        ("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n", 502),
    ] {
        let upstream = Upstream::answering(answer);
        let vallum = Vallum::start(clear(json!([route(&upstream.url())])));
        let mut wire = vallum.connect();
        let got = wire.send(upgrade("websocket", "") + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").answer();
        assert_eq!(got.status, status, "{answer}");
        assert_eq!(wire.drain(), b"", "whose protocol the rest speaks nobody can say");
        assert!(!upstream.received_text().contains("smuggled"), "{answer}");
    }
}

#[test]
fn bytes_sent_ahead_of_the_answer_follow_it() {
    let upstream = switching(|served| served.echo_bytes());
    let vallum = Vallum::start(clear(json!([route(&upstream.url())])));
    let mut wire = vallum.connect();
    assert_eq!(wire.send(upgrade("other/1", "") + "ahead").answer().status, 101);
    assert_eq!(wire.take(5).unwrap(), b"ahead");
}

/// Connections that are used again are served in another way than fresh ones.
#[test]
fn bodies_and_tunnels_are_whole_on_a_connection_that_served_before() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            if request.has("upgrade") {
                served.write("HTTP/1.1 101 Switching\r\nUpgrade: other/1\r\nConnection: Upgrade\r\n\r\n")?;
                return served.echo_bytes();
            }
            served.answer(200, "", &request.body)?;
        }
        Ok(())
    });
    let vallum = Vallum::start(and(clear(json!([route(&upstream.url())])), json!({"workers": 1})));
    let mut wire = vallum.connect();
    let largest = 3 * 1024 * 1024;
    for size in [0, 1, 1_500, 2_047, 2_048, 4_096, 16_384, 65_536, 65_537, 400_000, largest, 5] {
        let body = pattern(size);
        let length = format!("Content-Length: {size}\r\n");
        let answer = wire.send(post(&length)).send(&body).answer();
        assert!(answer.status == 200 && answer.body == body, "{size} at once");
        let answer = wire.send(post("Transfer-Encoding: chunked\r\n")).send(chunked(&body)).answer();
        assert!(answer.status == 200 && answer.body == body, "{size} in chunks");
    }
    assert_eq!(wire.ask(upgrade("other/1", "")).status, 101);
    // More than fits on the way: what comes back has to be taken meanwhile.
    let body = pattern(largest);
    for piece in body.chunks(64 * 1024) {
        wire.send(piece);
        assert!(wire.take(piece.len()).unwrap() == piece);
    }
    assert_eq!(upstream.connections(), 1, "all of it went over one connection");
}

fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

/// `body` in chunks of 1,000 bytes.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = body
        .chunks(1_000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[test]
fn either_side_may_end_first() {
    let upstream = switching(|served| {
        let said = served.rest()?;
        served.write([b"heard: ", said.as_slice()].concat())
    });
    let vallum = Vallum::start(clear(json!([route(&upstream.url())])));
    let mut wire = open(&vallum, "other/1");
    assert_eq!(wire.send("all").finish().drain(), b"heard: all");

    let (heard, told) = channel();
    let upstream = switching(move |served| {
        served.write("first")?;
        served.finish()?;
        heard.send(served.rest()?).ok();
        Ok(())
    });
    let vallum = Vallum::start(clear(json!([route(&upstream.url())])));
    let mut wire = open(&vallum, "other/1");
    assert_eq!(wire.drain(), b"first");
    wire.send("second").finish();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"second");
}

#[test]
fn a_client_that_has_ended_may_wait_long_for_the_rest() {
    // Longer than a client that waits for an answer is believed to be there after it has ended.
    const LONG: Duration = Duration::from_secs(6);
    let upstream = switching(|served| {
        served.rest()?;
        std::thread::sleep(LONG);
        served.write("at last")
    });
    let vallum = Vallum::start(clear(json!([route(&upstream.url())])));
    assert_eq!(open(&vallum, "other/1").finish().drain(), b"at last");
}

#[test]
fn the_end_of_the_process_is_told_to_websockets_and_awaits_other_tunnels() {
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = switching(move |served| {
        if served.take(1)? == b"w" {
            gate.lock().unwrap().recv_timeout(PATIENCE).ok();
            return served.write("the rest");
        }
        served.rest().map(drop)
    });
    let mut vallum = Vallum::start(clear(json!([route(&upstream.url())])));
    let (mut socket, mut other) = (open(&vallum, "websocket"), open(&vallum, "other/1"));
    socket.send(websocket::frame(websocket::TEXT, b"x", Some([0; 4])));
    other.send("w");
    vallum.process.signal(Signal::TERM);
    assert_eq!(socket.drain(), [&[0x88, 2][..], &GOING_AWAY].concat());
    go.send(()).unwrap();
    assert_eq!(other.drain(), b"the rest");
    other.finish();
    drop((socket, other));
    assert_eq!(vallum.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_session_that_ends_takes_its_tunnels_with_it() {
    let (provider, upstream) = (Provider::start(), Upstream::echo());
    let to = json!({"from": format!("https://{HOST}"), "to": upstream.url(), "name": "ws", "allow_websockets": true});
    let routes = json!([and(to, json!({"allow_any_authenticated_user": true}))]);
    let vallum = Vallum::start(and(provider.settings(), json!({"routes": routes})));
    let mut alice = Visitor::new(vallum.address);
    assert_eq!(alice.sign_in(&format!("https://{HOST}/"), "alice").status, 200);
    let cookie = format!("_pomerium={}", alice.cookie(HOST, "_pomerium").expect("a session cookie").value);

    let key =
        format!("Cookie: {cookie}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    let mut wire = vallum.connect_tls(HOST);
    assert_eq!(vallum.connect_tls(HOST).ask(upgrade("websocket", "")).status, 401, "nobody is signed in");
    assert_eq!(wire.ask(upgrade("websocket", &key)).status, 101);
    let mut client = Client::connect(vallum.address);
    let [_, scheme, authority, path] = line("CONNECT", HOST, "/websocket");
    let asked = [(":method", "CONNECT"), (":protocol", "websocket"), scheme, authority, path];
    let nobody = client.open(&asked, false);
    assert_eq!(client.finish(nobody).status, 401);
    let id = client.open(&[&asked[..], &[("cookie", cookie.as_str())]].concat(), false);
    assert_eq!(client.head(id), 200);

    sign_out(&mut alice, HOST);
    let goodbye = [&[0x88, 2][..], &POLICY_VIOLATION].concat();
    assert_eq!(client.take(id, 4), goodbye);
    assert_eq!(wire.drain(), goodbye);
    let ended = [("route", "ws"), ("cause", "session_revoked")];
    vallum.wait_for_metric("vallum_http_streams_closed_total", &ended, 2.0);
}
