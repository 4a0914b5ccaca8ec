//! TLS towards clients: which certificate answers for which name, which versions, what a reload changes.

use std::sync::Arc;

use rustls::ProtocolVersion;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificates::{Authority, accept_any, is_self_issued, names_in};
use crate::harness::scrape::Scrape;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::wire::connect;
use crate::harness::{Upstream, Vallum, Wire, wait_until};

fn settings(upstream: &Upstream, certificates: Value) -> Value {
    json!({"routes": [public_route(HOST, json!(upstream.url()))], "certificates": certificates})
}

#[test]
fn the_certificate_follows_the_name() {
    let upstream = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let exact = authority.issue(folder.path(), "exact", &[HOST]);
    let wildcard = authority.issue(folder.path(), "wildcard", &["*.example.com"]);
    let vallum = Vallum::start(settings(&upstream, json!([wildcard.entry(), exact.entry()])));
    let shown = |name: &str| names_in(&vallum.connect_tls(name).certificate());
    assert_eq!(shown(HOST), [HOST]);
    assert_eq!(shown("APP.example.COM"), [HOST], "names have no case");
    assert_eq!(shown("other.example.com"), ["*.example.com"]);

    for unknown in ["a.b.example.com", "example.com", "unknown.test"] {
        let certificate = vallum.connect_tls(unknown).certificate();
        assert!(is_self_issued(&certificate), "{unknown}");
        assert_eq!(names_in(&certificate), [unknown]);
    }
    let trusting = authority.trusting_client();
    let mut wire = Wire::tls_with(vallum.address, HOST, trusting.clone()).expect("a chain to the authority");
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
    assert!(Wire::tls_with(vallum.address, "unknown.test", trusting).is_err());
}

#[test]
fn without_a_name_no_configured_certificate_is_given_away() {
    let upstream = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let leaf = Authority::new().issue(folder.path(), "exact", &[HOST]);
    let vallum = Vallum::start(settings(&upstream, json!([leaf.entry()])));
    let mut config = accept_any(&[]);
    config.enable_sni = false;
    let mut wire = Wire::tls_with(vallum.address, HOST, config.into()).expect("a handshake");
    assert!(is_self_issued(&wire.certificate()));
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
}

#[test]
fn both_versions_and_nothing_older() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(settings(&upstream, json!([])));
    for (version, expected) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut wire = Wire::tls_with(vallum.address, HOST, accept_any(&[version]).into()).expect("a handshake");
        assert_eq!(wire.session().protocol_version(), Some(expected));
        assert_eq!(wire.ask(get(HOST, "/bytes/100000", "")).body.len(), 100_000);
    }
}

#[test]
fn a_protocol_that_we_do_not_speak_is_refused() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(settings(&upstream, json!([])));
    let mut config = accept_any(&[]);
    config.alpn_protocols = vec![b"spdy/1".to_vec()];
    let refused = Wire::tls_with(vallum.address, HOST, Arc::new(config)).is_err();
    assert!(refused, "a client that speaks nothing that we do is told so (RFC 7301 section 3.2)");
}

#[test]
fn a_reload_brings_new_certificates_and_keeps_old_connections() {
    let upstream = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let leaf = authority.issue(folder.path(), "leaf", &[HOST]);
    let config = settings(&upstream, json!([leaf.entry()]));
    let vallum = Vallum::start(config.clone());
    let mut old = vallum.connect_tls(HOST);
    let before = old.certificate();
    assert_eq!(old.ask(get(HOST, "/", "")).status, 200);

    authority.issue(folder.path(), "leaf", &[HOST]);
    assert!(vallum.reload(config.clone()));
    let after = vallum.connect_tls(HOST).certificate();
    assert_ne!(before, after);
    assert_eq!(old.ask(get(HOST, "/", "")).status, 200, "the old connection lives on");

    std::fs::write(&leaf.key, "no key at all").unwrap();
    assert!(!vallum.reload(config), "a pair that does not fit is refused");
    assert_eq!(vallum.connect_tls(HOST).certificate(), after);
}

/// Handshakes that came to nothing.
fn failures(scrape: &Scrape) -> f64 {
    let name = "vallum_tls_handshakes_total";
    scrape.value(name, &[]) - scrape.value(name, &[("result", "ok")])
}

#[test]
fn handshakes_are_counted_and_bad_ones_harm_nobody() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(settings(&upstream, json!([])));
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x00\x05hello", &[0xff; 600], b""] {
        let tcp = connect(vallum.address);
        std::io::Write::write_all(&mut &tcp, bytes).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        crate::harness::answer::read_to_close(&mut &tcp, &mut answer).expect("closed");
        assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(vallum.connect_tls(HOST).ask(get(HOST, "/", "")).status, 200);
    vallum.wait_for_metric("vallum_tls_handshakes_total", &[("result", "ok")], 1.0);
    let scrape = wait_until("the failures", || {
        let scrape = vallum.scrape();
        (failures(&scrape) >= 3.0).then_some(scrape)
    });
    assert!(failures(&scrape) <= 4.0, "{}", failures(&scrape));
}

#[test]
fn upstreams_may_speak_tls_and_are_verified() {
    let behind = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let leaf = authority.issue(folder.path(), "inner", &["inner.example.com"]);
    let ca = authority.write_to(folder.path());
    // A second instance is the TLS upstream of the first.
    let hosts = ["trusting.example.com", "strict.example.com", "careless.example.com"];
    let inner = Vallum::start(json!({
        "routes": hosts.map(|host| public_route(host, json!(behind.url()))),
        "certificates": [leaf.entry()],
    }));
    let to = format!("https://127.0.0.1:{}", inner.address.port());
    let route = |host: &str, more: Value| {
        let named = json!({"tls_server_name": "inner.example.com", "preserve_host_header": true});
        and(and(public_route(host, json!(to)), named), more)
    };
    let outer = Vallum::start(clear(json!([
        route(hosts[0], json!({"tls_custom_ca_file": ca})),
        route(hosts[1], json!({})),
        route(hosts[2], json!({"tls_skip_verify": true})),
    ])));
    let status = |host: &str| outer.connect().ask(get(host, "/", "")).status;
    assert_eq!(status("trusting.example.com"), 200);
    assert!(matches!(status("strict.example.com"), 502 | 503));
    assert_eq!(status("careless.example.com"), 200);
}

#[test]
fn upstreams_may_ask_who_we_are() {
    let behind = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let (trusted, other) = (Authority::named("Trusted"), Authority::named("Other"));
    let ca = trusted.write_to(folder.path());
    let inner = Vallum::start(json!({
        "routes": [public_route(HOST, json!(behind.url()))],
        "downstream_mtls": {"ca_file": ca, "enforcement": "reject_connection"},
    }));
    let (good, bad) = (
        trusted.client("edge", |_| {}).write_to(folder.path(), "good"),
        other.client("edge", |_| {}).write_to(folder.path(), "bad"),
    );
    let text = |path: &std::path::Path| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(std::fs::read(path).unwrap())
    };
    let to = format!("https://127.0.0.1:{}", inner.address.port());
    let route = |host: &str, more: Value| {
        let named = json!({
            "tls_server_name": HOST, "host_rewrite": HOST, "tls_skip_verify": true,
        });
        and(and(public_route(host, json!(to)), named), more)
    };
    let outer = Vallum::start(clear(json!([
        route("good.example.com", json!({"tls_client_cert_file": good.cert, "tls_client_key_file": good.key})),
        route("inline.example.com", json!({"tls_client_cert": text(&good.cert), "tls_client_key": text(&good.key)})),
        route("bad.example.com", json!({"tls_client_cert_file": bad.cert, "tls_client_key_file": bad.key})),
        route("none.example.com", json!({})),
    ])));
    let status = |host: &str| outer.connect().ask(get(host, "/", "")).status;
    // Twice, so that pooled connections and resumed sessions are seen too, and in turns.
    for _ in 0..2 {
        assert_eq!(status("good.example.com"), 200);
        assert!(matches!(status("bad.example.com"), 502 | 503));
        assert!(matches!(status("none.example.com"), 502 | 503));
        assert_eq!(status("inline.example.com"), 200);
    }
}

#[test]
fn a_pooled_connection_serves_only_routes_that_verify_alike() {
    let behind = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let leaf = authority.issue(folder.path(), "inner", &["inner.example.com"]);
    let ca = authority.write_to(folder.path());
    let inner = Vallum::start(json!({
        "routes": [public_route(HOST, json!(behind.url()))],
        "certificates": [leaf.entry()],
    }));
    let to = format!("https://127.0.0.1:{}", inner.address.port());
    let route = |host: &str, more: Value| and(and(public_route(host, json!(to)), json!({"host_rewrite": HOST})), more);
    let name = json!({"tls_server_name": "inner.example.com"});
    let outer = Vallum::start(and(
        clear(json!([
            route("careless.example.com", and(json!({"tls_skip_verify": true}), name.clone())),
            route("right.example.com", and(json!({"tls_custom_ca_file": ca}), name.clone())),
            route("wrong-name.example.com", json!({"tls_custom_ca_file": ca, "tls_server_name": "other.example.com"})),
            route("system.example.com", name),
        ])),
        json!({"workers": 1}),
    ));
    let status = |host: &str| outer.connect().ask(get(host, "/", "")).status;
    // The inner one has no certificate for `other.example.com` and answers by one of its own.
    for _ in 0..2 {
        assert_eq!(status("careless.example.com"), 200);
        assert_eq!(status("right.example.com"), 200);
        assert!(matches!(status("wrong-name.example.com"), 502 | 503));
        assert!(matches!(status("system.example.com"), 502 | 503));
    }
}
