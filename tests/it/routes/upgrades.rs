//! Connections that become something else: `allow_websockets`, `allow_spdy`, `allow_upgrades`.

use serde_json::{Value, json};

use super::route;
use crate::harness::vallum::{HOST, and, clear, get};
use crate::harness::{Upstream, Vallum};

/// Switches to whatever is asked for and sends every byte back; answers requests that ask for nothing.
fn switching() -> Upstream {
    Upstream::with(|served| {
        while let Some(request) = served.request()? {
            if !request.has("upgrade") {
                served.answer(200, "", b"not switched")?;
                continue;
            }
            let protocol = request.header("upgrade").to_owned();
            served.write(format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\r\n"
            ))?;
            return served.echo_bytes();
        }
        Ok(())
    })
}

fn upgrade(method: &str, protocol: &str, fields: &str) -> String {
    get(HOST, "/", &format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n{fields}")).replace("GET", method)
}

/// What becomes of a request to upgrade: 101 when bytes flow both ways, else the status.
fn outcome(vallum: &Vallum, request: &str) -> u16 {
    let mut wire = vallum.connect();
    let answer = wire.ask(request);
    if answer.status == 101 {
        wire.send("to and fro");
        assert_eq!(wire.take(10).unwrap(), b"to and fro");
    }
    answer.status
}

#[test]
fn protocols_pass_where_they_are_allowed() {
    let upstream = switching();
    for (top, more, protocol, status) in [
        (json!({}), json!({}), "websocket", 403),
        (json!({}), json!({}), "SPDY/3.1", 200),
        (json!({}), json!({"allow_websockets": true}), "WebSocket", 101),
        (json!({}), json!({"allow_websockets": true}), "SPDY/3.1", 200),
        (json!({}), json!({"allow_spdy": true}), "SPDY/3.1", 101),
        (json!({}), json!({"allow_spdy": true}), "websocket", 403),
        (json!({}), json!({"allow_upgrades": ["My-Protocol/2"]}), "my-protocol/2", 101),
        (json!({}), json!({"allow_upgrades": ["my-protocol/2"]}), "my-protocol/1", 200),
        (json!({}), json!({"allow_upgrades": ["websocket"]}), "websocket", 101),
        (json!({"allow_upgrades": ["one"]}), json!({}), "one", 101),
        (json!({"allow_upgrades": ["one"]}), json!({"allow_upgrades": ["two"]}), "one", 200),
        (json!({"allow_upgrades": ["one"]}), json!({"allow_upgrades": ["two"]}), "two", 101),
        (json!({"allow_upgrades": ["one"]}), json!({"allow_upgrades": ["one"]}), "one, two", 200),
        (json!({}), json!({}), "h2c", 200),
    ] {
        let vallum = Vallum::start(and(clear(json!([route(&upstream, more.clone())])), top.clone()));
        assert_eq!(outcome(&vallum, &upgrade("GET", protocol, "")), status, "{top} {more} {protocol}");
    }
    assert_eq!(upstream.complaints(), [""; 0]);
}

#[test]
fn the_answer_names_the_protocol() {
    let upstream = switching();
    let vallum = Vallum::start(clear(json!([route(&upstream, json!({"allow_spdy": true}))])));
    let mut wire = vallum.connect();
    let answer = wire.ask(upgrade("POST", "SPDY/3.1", "Content-Length: 0\r\n"));
    assert_eq!((answer.status, answer.header("upgrade"), answer.header("connection")), (101, "SPDY/3.1", "upgrade"));
    let request = upstream.only_request();
    assert_eq!((request.header("upgrade"), request.header("connection")), ("SPDY/3.1", "upgrade"));
}

#[test]
fn a_request_to_upgrade_has_no_body() {
    let upstream = switching();
    let vallum = Vallum::start(clear(json!([route(&upstream, json!({"allow_spdy": true}))])));
    let answer = vallum.connect().ask(upgrade("POST", "SPDY/3.1", "Content-Length: 3\r\n") + "abc");
    assert_eq!((answer.status, upstream.requests().len()), (400, 0));
}

#[test]
fn a_tunnel_in_which_nothing_happens_ends() {
    let upstream = switching();
    let more = json!({"name": "idle", "allow_websockets": true, "idle_timeout": "300ms"});
    let vallum = Vallum::start(clear(json!([route(&upstream, more)])));
    let mut wire = vallum.connect();
    assert_eq!(wire.ask(upgrade("GET", "websocket", "")).status, 101);
    assert_eq!(wire.drain(), [0x88, 2, 0x03, 0xe9], "it is told that we go away (1001)");
    vallum.wait_for_metric("vallum_http_streams_closed_total", &[("route", "idle"), ("cause", "idle")], 1.0);
    let line = json!("stream_idle_timeout");
    vallum.wait_for_log(&[("response-code-details", line)]);
}

#[test]
fn a_tunnel_outlives_the_timeout_of_its_route() {
    let upstream = switching();
    let tunnel: Value = json!({"allow_websockets": true, "timeout": "1s"});
    let vallum = Vallum::start(clear(json!([route(&upstream, tunnel)])));
    let mut wire = vallum.connect();
    assert_eq!(wire.ask(upgrade("GET", "websocket", "")).status, 101);
    // A later request on the same route that is never answered shows when the timeout is over.
    let silent = Upstream::with(|served| {
        served.stay_silent();
        Ok(())
    });
    let other = Vallum::start(clear(json!([route(&silent, json!({"timeout": "1s"}))])));
    assert_eq!(other.connect().ask(get(HOST, "/", "")).status, 504);
    wire.send("still here");
    assert_eq!(wire.take(10).unwrap(), b"still here");
}
