//! Requests that come by a connection whose client was asked something else (RFC 9110 section 15.5.20), and connections
//! that live on while the terms change.

use super::*;
use crate::http2::client::{Client, line};

const THIRD: &str = "third.example.com";

/// [`HOST`] asks by one authority, [`OTHER`] by another, [`THIRD`] and `*.wild.example.com` for nothing.
fn three(upstream: &Upstream, first: &Authority, second: &Authority) -> Value {
    let route = |host: &str| public_route(host, json!(upstream.url()));
    json!({"routes": [
        and(route(HOST), json!({"tls_downstream_client_ca": base64(&first.pem())})),
        and(route("same.example.com"), json!({"tls_downstream_client_ca": base64(&first.pem())})),
        and(route(OTHER), json!({"tls_downstream_client_ca": base64(&second.pem())})),
        route(THIRD),
        route("*.wild.example.com"),
    ]})
}

#[test]
fn a_host_with_other_terms_is_not_served_on_this_connection() {
    let (upstream, first, second) = (Upstream::echo(), Authority::named("First"), Authority::named("Second"));
    let vallum = Vallum::start(three(&upstream, &first, &second));
    let identity = first.client("laptop", |_| {});
    for (name, host, expected) in [
        (HOST, HOST, 200),
        (HOST, "same.example.com", 200),
        (HOST, OTHER, 421),
        (HOST, THIRD, 421),
        (THIRD, HOST, 421),
        (THIRD, "a.wild.example.com", 200),
        ("b.wild.example.com", THIRD, 200),
        ("unknown.test", THIRD, 200),
        ("unknown.test", HOST, 421),
        (HOST, "unknown.test", 404),
        ("APP.example.com", HOST, 200),
    ] {
        let mut wire = Wire::tls_with(vallum.address, name, identity.client(&[]).into()).unwrap();
        let answer = wire.ask(get(host, "/", ""));
        assert_eq!(answer.status, expected, "{name} → {host}");
        if expected == 421 {
            assert_eq!(answer.header("connection"), "close", "the next try needs another connection");
        }
    }
    let line = vallum.wait_for_log(&[("response-code", json!(421))]);
    assert_eq!(line["response-code-details"], "misdirected_request");
    assert_eq!(vallum.connect_tls(THIRD).ask(get(HOST, "/ping", "")).status, 200, "probes are asked for nothing");
}

#[test]
fn streams_of_one_connection_are_told_apart() {
    let (upstream, first, second) = (Upstream::echo(), Authority::named("First"), Authority::named("Second"));
    let vallum = Vallum::start(three(&upstream, &first, &second));
    let identity = first.client("laptop", |_| {});
    let mut client = Client::with_tls(vallum.address, HOST, identity.client(&[]), None);
    let mut status = |host: &str| {
        let id = client.open(&line("GET", host, "/"), true);
        client.finish(id).status
    };
    let hosts = [HOST, OTHER, "same.example.com", THIRD, HOST];
    assert_eq!(hosts.map(&mut status), [200, 421, 200, 421, 200]);

    let mut plain = Client::with_tls(vallum.address, THIRD, accept_any(&[]), None);
    let id = plain.open(&line("GET", HOST, "/"), true);
    assert_eq!(plain.finish(id).status, 421);
}

#[test]
fn a_client_that_names_nobody_is_asked_what_everybody_is() {
    let (upstream, global, own) = (Upstream::echo(), Authority::named("Global"), Authority::named("Own"));
    let vallum = Vallum::start(json!({
        "downstream_mtls": mtls(&global, json!({})),
        "routes": [
            public_route(HOST, json!(upstream.url())),
            public_route("127.0.0.1", json!(upstream.url())),
            and(public_route(OTHER, json!(upstream.url())), json!({"tls_downstream_client_ca": base64(&own.pem())})),
        ],
    }));
    let identity = global.client("laptop", |_| {});
    let connect = |name: &str, with_name: bool| {
        let mut config = identity.client(&[]);
        config.enable_sni = with_name;
        Wire::tls_with(vallum.address, name, config.into()).unwrap()
    };
    for (name, with_name) in [(HOST, false), ("127.0.0.1", true)] {
        assert_eq!(connect(name, with_name).ask(get(HOST, "/", "")).status, 200);
        assert_eq!(connect(name, with_name).ask(get("127.0.0.1", "/", "")).status, 200);
        assert_eq!(connect(name, with_name).ask(get(OTHER, "/", "")).status, 421);
    }
    assert_eq!(vallum.connect_tls("127.0.0.1").ask(get(HOST, "/", "")).status, 495);
}

#[test]
fn connections_that_live_on_are_judged_by_the_terms_of_now() {
    let (upstream, first, second) = (Upstream::echo(), Authority::named("First"), Authority::named("Second"));
    let with = |authority: &Authority| settings(&upstream, mtls(authority, json!({})));
    let vallum = Vallum::start(with(&first));
    let identity = first.client("laptop", |_| {});
    let mut h1 = Wire::tls_with(vallum.address, HOST, identity.client(&[]).into()).unwrap();
    let mut h2 = Client::with_tls(vallum.address, HOST, identity.client(&[]), None);
    assert_eq!((h1.ask(get(HOST, "/", "")).status, h2.get("/").status), (200, 200));
    assert!(vallum.reload(with(&second)));
    assert_eq!((h1.ask(get(HOST, "/", "")).status, h2.get("/").status), (495, 495));
    assert!(vallum.reload(with(&first)));
    assert_eq!((h1.ask(get(HOST, "/", "")).status, h2.get("/").status), (200, 200));

    // Who was asked for nothing cannot be judged: he has to connect again, and is told so.
    let none = json!({"routes": [public_route(HOST, json!(upstream.url()))]});
    assert!(vallum.reload(none.clone()));
    let mut unasked = vallum.connect_tls(HOST);
    assert_eq!(unasked.ask(get(HOST, "/", "")).status, 200);
    assert_eq!((h1.ask(get(HOST, "/", "")).status, h2.get("/").status), (200, 200));
    assert!(vallum.reload(with(&first)));
    assert_eq!(unasked.ask(get(HOST, "/", "")).status, 421);
    assert_eq!(status(&vallum, HOST, identity.client(&[])), 200);
}
