//! Tunnels that are open, and answers that flow, when the terms of certificates change.

use std::io;

use rcgen::SerialNumber;

use super::*;
use crate::harness::websocket::{self, TEXT};
use crate::http2::client::{Client, DATA, frame};

/// 1008: a policy is not met any more.
const GOODBYE: [u8; 4] = [0x88, 2, 0x03, 0xf0];
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// One WebSocket.
enum Tunnel {
    H1(Wire),
    H2(Client, u32),
}

impl Tunnel {
    fn over_http1(vallum: &Vallum, host: &str, identity: Option<&Identity>) -> Tunnel {
        let mut wire = Wire::tls_with(vallum.address, host, client(identity).into()).unwrap();
        let fields = format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n");
        assert_eq!(wire.ask(get(host, "/websocket", &fields)).status, 101);
        Tunnel::H1(wire)
    }

    fn over_http2(vallum: &Vallum, host: &str, identity: Option<&Identity>) -> Tunnel {
        let mut client = Client::with_tls(vallum.address, host, client(identity), None);
        let line = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", host)];
        let id = client.open(&[&line[..], &[(":path", "/websocket")]].concat(), false);
        assert_eq!(client.head(id), 200);
        Tunnel::H2(client, id)
    }

    /// Whether a message comes back, and not the edge's goodbye.
    fn is_open(&mut self) -> bool {
        let message = websocket::frame(TEXT, b"hi", Some([0; 4]));
        let answer = match self {
            Tunnel::H1(wire) => wire.send(message).take(4).unwrap(),
            Tunnel::H2(client, id) => {
                client.send(frame(DATA, 0, *id, &message));
                client.take(*id, 4)
            }
        };
        assert!(answer == [0x81, 2, b'h', b'i'] || answer == GOODBYE, "{answer:?}");
        answer != GOODBYE
    }

    /// Waits for the edge's goodbye.
    #[track_caller]
    fn wait_for_goodbye(&mut self) {
        let goodbye = match self {
            Tunnel::H1(wire) => wire.take(4).unwrap(),
            Tunnel::H2(client, id) => client.take(*id, 4),
        };
        assert_eq!(goodbye, GOODBYE);
    }
}

fn sockets(upstream: &Upstream, host: &str, more: Value) -> Value {
    and(public_route(host, json!(upstream.url())), and(json!({"name": "ws", "allow_websockets": true}), more))
}

/// Lets pass longer than tunnels go without being looked at.
fn wait_for_a_look(vallum: &Vallum) {
    assert_eq!(vallum.connect_tls("slow.example.com").ask(get("slow.example.com", "/", "")).status, 504);
}

/// A host that asks for no certificate and answers after a second and a half that nobody answers.
fn slow(silent: &Upstream) -> Value {
    and(public_route("slow.example.com", json!(silent.url())), json!({"timeout": "1500ms"}))
}

fn silent() -> Upstream {
    Upstream::with(|served| -> io::Result<()> {
        served.stay_silent();
        Ok(())
    })
}

#[test]
fn a_certificate_that_is_revoked_takes_its_tunnels_with_it() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let with = |terms: Value| json!({"routes": [sockets(&upstream, HOST, json!({}))], "downstream_mtls": mtls(&authority, terms)});
    let vallum = Vallum::start(with(json!({})));
    let serial = |number: u64| authority.client("laptop", |p| p.serial_number = Some(SerialNumber::from(number)));
    let (lost, good) = (serial(98), serial(97));
    let mut of_lost = [Tunnel::over_http1(&vallum, HOST, Some(&lost)), Tunnel::over_http2(&vallum, HOST, Some(&lost))];
    let mut of_good = [Tunnel::over_http1(&vallum, HOST, Some(&good)), Tunnel::over_http2(&vallum, HOST, Some(&good))];
    assert!(vallum.reload(with(json!({"crl": base64(&authority.revoke(&[99]))}))));
    assert!(of_lost.iter_mut().all(Tunnel::is_open) && of_good.iter_mut().all(Tunnel::is_open));
    assert!(vallum.reload(with(json!({"crl": base64(&authority.revoke(&[98, 99]))}))));
    of_lost.iter_mut().for_each(Tunnel::wait_for_goodbye);
    let ended = [("route", "ws"), ("cause", "client_certificate")];
    vallum.wait_for_metric("vallum_http_streams_closed_total", &ended, 2.0);
    vallum.wait_for_log(&[("response-code-details", json!("client_certificate"))]);
    assert!(of_good.iter_mut().all(Tunnel::is_open));
    // Whoever issued it does not count any more.
    let other = Authority::named("Other");
    assert!(vallum.reload(json!({
        "routes": [sockets(&upstream, HOST, json!({}))], "downstream_mtls": mtls(&other, json!({}))
    })));
    of_good.iter_mut().for_each(Tunnel::wait_for_goodbye);
}

#[test]
fn a_certificate_that_is_revoked_takes_its_answers_with_it() {
    const EVENT: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\nevent";
    let upstream = Upstream::with(|served| {
        served.head()?;
        served.write(EVENT)?;
        served.wait_for_close()
    });
    let authority = Authority::new();
    let route = || and(public_route(HOST, json!(upstream.url())), json!({"name": "events"}));
    let with = |terms: Value| json!({"routes": [route()], "downstream_mtls": mtls(&authority, terms)});
    let vallum = Vallum::start(with(json!({})));
    let laptop = authority.client("laptop", |p| p.serial_number = Some(SerialNumber::from(98)));
    let mut wire = Wire::tls_with(vallum.address, HOST, client(Some(&laptop)).into()).unwrap();
    assert_eq!(wire.send(get(HOST, "/", "")).head().status, 200);
    let mut over_http2 = Client::with_tls(vallum.address, HOST, client(Some(&laptop)), None);
    let id = over_http2.request("GET", "/", &[], true);
    assert_eq!(over_http2.take(id, 5), b"event");
    assert!(vallum.reload(with(json!({"crl": base64(&authority.revoke(&[98]))}))));
    assert_eq!(wire.drain(), b"event");
    assert!(!over_http2.finish(id).ended);
    let cut = [("route", "events"), ("cause", "client_certificate")];
    vallum.wait_for_metric("vallum_http_streams_closed_total", &cut, 2.0);
    vallum.wait_for_log(&[("response-code-details", json!("client_certificate"))]);
}

#[test]
fn where_the_policy_does_not_mind_tunnels_stay() {
    let (upstream, silent, first, second) =
        (Upstream::echo(), silent(), Authority::named("First"), Authority::named("Second"));
    let with = |authority: &Authority, policy: Value| {
        json!({
            "routes": [sockets(&upstream, HOST, policy), slow(&silent)],
            "downstream_mtls": mtls(authority, json!({"enforcement": "policy"})),
        })
    };
    let strict = json!({
        "allow_public_unauthenticated_access": false,
        "policy": [{"allow": {"or": [{"accept": true}]}, "deny": {"or": [{"invalid_client_certificate": true}]}}],
    });
    let vallum = Vallum::start(with(&first, json!({})));
    let identity = first.client("laptop", |_| {});
    let mut tunnel = Tunnel::over_http1(&vallum, HOST, Some(&identity));
    assert!(vallum.reload(with(&second, json!({}))));
    wait_for_a_look(&vallum);
    assert!(tunnel.is_open());
    assert!(vallum.reload(with(&second, strict)));
    tunnel.wait_for_goodbye();
}

#[test]
fn who_showed_none_goes_when_one_is_asked_for() {
    let (upstream, silent, authority) = (Upstream::echo(), silent(), Authority::new());
    let with = |of_host: Value| {
        json!({"routes": [
            sockets(&upstream, HOST, of_host),
            sockets(&upstream, OTHER, json!({"name": "other"})),
            slow(&silent),
        ]})
    };
    let vallum = Vallum::start(with(json!({})));
    let mut here = [Tunnel::over_http1(&vallum, HOST, None), Tunnel::over_http2(&vallum, HOST, None)];
    let mut elsewhere = [Tunnel::over_http1(&vallum, OTHER, None), Tunnel::over_http2(&vallum, OTHER, None)];
    assert!(vallum.reload(with(json!({"tls_downstream_client_ca": base64(&authority.pem())}))));
    here.iter_mut().for_each(Tunnel::wait_for_goodbye);
    wait_for_a_look(&vallum);
    assert!(elsewhere.iter_mut().all(Tunnel::is_open));
}
