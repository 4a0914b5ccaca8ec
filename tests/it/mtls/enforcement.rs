//! Which certificates pass, by how strictly they are asked for.

use std::path::Path;
use std::process::Command;

use rcgen::{ExtendedKeyUsagePurpose, SerialNumber};
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::harness::PATIENCE;
use crate::harness::certificates::Leaf;
use crate::harness::process::Process;

/// A client's certificate, why it is not valid (as a metric label), and its name in messages.
struct Case {
    name: &'static str,
    identity: Option<Identity>,
    flaw: Option<&'static str>,
}

/// One certificate of each kind for terms of [`strict`].
fn cases(authority: &Authority) -> Vec<Case> {
    let case = |name, flaw: &'static str, identity| Case { name, flaw: Some(flaw), identity: Some(identity) };
    let yesterday = OffsetDateTime::now_utc() - Duration::days(1);
    let between = authority.below("Between");
    vec![
        Case { name: "valid", flaw: None, identity: Some(authority.client("laptop", |_| {})) },
        Case { name: "none", flaw: Some("client_certificate_missing"), identity: None },
        case("expired", "client_certificate_expired", authority.client("laptop", |p| p.not_after = yesterday)),
        case("stranger", "client_certificate_unknown_issuer", Authority::named("Other").client("laptop", |_| {})),
        case("deep", "client_certificate_too_deep", between.client("laptop", |_| {}).with(&between)),
        case(
            "server",
            "client_certificate_usage",
            authority.client("laptop", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        case("phone", "client_certificate_name", authority.client("phone", |_| {})),
        case(
            "revoked",
            "client_certificate_revoked",
            authority.client("laptop", |p| p.serial_number = Some(SerialNumber::from(99))),
        ),
    ]
}

fn strict(authority: &Authority, enforcement: &str) -> Value {
    mtls(
        authority,
        json!({
            "crl": base64(&authority.revoke(&[98, 99])),
            "enforcement": enforcement,
            "match_subject_alt_names": [{"email": ".*"}, {"dns": "laptop\\..*"}],
        }),
    )
}

#[test]
fn by_default_every_route_refuses_what_is_not_valid() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, strict(&authority, "policy_with_default_deny")));
    for case in cases(&authority) {
        let expected = if case.flaw.is_some() { 495 } else { 200 };
        for version in [&TLS12, &TLS13] {
            let config = case.identity.as_ref().map_or_else(|| accept_any(&[version]), |i| i.client(&[version]));
            assert_eq!(status(&vallum, HOST, config), expected, "{} {version:?}", case.name);
        }
    }
    let line = vallum.wait_for_log(&[("message", json!("authorize check")), ("deny", json!(true))]);
    assert!(line["deny-why-true"].is_array(), "{line}");
}

#[test]
fn where_the_connection_is_the_condition_nothing_else_gets_in() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, strict(&authority, "reject_connection")));
    for case in cases(&authority) {
        for version in [&TLS12, &TLS13] {
            let config = case.identity.as_ref().map_or_else(|| accept_any(&[version]), |i| i.client(&[version]));
            let expected = if case.flaw.is_some() { 0 } else { 200 };
            assert_eq!(status(&vallum, HOST, config), expected, "{} {version:?}", case.name);
        }
        if let Some(flaw) = case.flaw {
            vallum.wait_for_metric("vallum_tls_handshakes_total", &[("result", flaw)], 2.0);
            let failure = [("message", json!("listener connection failure")), ("cause", json!(flaw))];
            assert_eq!(vallum.wait_for_log(&failure)["tls-sni-hostname"], HOST);
        }
    }
    assert_eq!(upstream.requests().len(), 2, "one for each version");
    assert_eq!(status(&vallum, "unknown.test", accept_any(&[])), 0, "whatever name is asked for");
}

#[test]
fn where_policy_decides_the_handshake_always_succeeds() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let route =
        |host: &str, policy: Value| json!({"from": format!("https://{host}"), "to": upstream.url(), "policy": policy});
    let known = authority.client("laptop", |_| {});
    let hashes = json!({"fingerprint": fingerprint(&known), "san_dns": {"starts_with": "laptop."}});
    let vallum = Vallum::start(json!({
        "downstream_mtls": strict(&authority, "policy"),
        "routes": [
            route("open.example.com", json!([{"allow": {"or": [{"accept": true}]}}])),
            route("strict.example.com", json!([{
                "allow": {"or": [{"accept": true}]},
                "deny": {"or": [{"invalid_client_certificate": true}]},
            }])),
            route("known.example.com", json!([{"allow": {"and": [{"client_certificate": hashes}]}}])),
            route("signed-in.example.com", json!([{
                "allow": {"or": [{"authenticated_user": true}]},
                "deny": {"or": [{"invalid_client_certificate": true}]},
            }])),
        ],
    }));
    for case in cases(&authority) {
        let client = || client(case.identity.as_ref());
        let is_valid = case.flaw.is_none();
        assert_eq!(status(&vallum, "open.example.com", client()), 200, "{}", case.name);
        assert_eq!(status(&vallum, "strict.example.com", client()), if is_valid { 200 } else { 495 }, "{}", case.name);
        assert_eq!(status(&vallum, "known.example.com", client()), 403, "{}: it is another one", case.name);
        let expected = if is_valid { 401 } else { 495 };
        assert_eq!(status(&vallum, "signed-in.example.com", client()), expected, "{}: before sign-in", case.name);
    }
    assert_eq!(status(&vallum, "known.example.com", known.client(&[])), 200);
}

fn fingerprint(identity: &Identity) -> String {
    vallum::plan::client_certificate::Leaf::read(&identity.chain[0]).fingerprint_hex()
}

#[test]
fn depth_may_be_given_or_lifted() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let between = authority.below("Between");
    let identity = between.client("laptop", |_| {}).with(&between);
    for (depth, expected) in [(1, 495), (2, 200), (0, 200)] {
        let vallum = Vallum::start(settings(&upstream, mtls(&authority, json!({"max_verify_depth": depth}))));
        assert_eq!(status(&vallum, HOST, identity.client(&[])), expected, "{depth}");
    }
}

#[test]
fn a_route_may_have_an_authority_of_its_own() {
    let (upstream, global, own) = (Upstream::echo(), Authority::named("Global"), Authority::named("Own"));
    let folder = TempDir::new().unwrap();
    let file = own.write_to(folder.path());
    let vallum = Vallum::start(json!({
        "downstream_mtls": mtls(&global, json!({})),
        "routes": [
            public_route(HOST, json!(upstream.url())),
            and(public_route(OTHER, json!(upstream.url())), json!({"tls_downstream_client_ca_file": file})),
        ],
    }));
    let (of_global, of_own) = (global.client("laptop", |_| {}), own.client("laptop", |_| {}));
    for (host, identity, expected) in [
        (HOST, Some(&of_global), 200),
        (HOST, Some(&of_own), 495),
        (OTHER, Some(&of_global), 495),
        (OTHER, Some(&of_own), 200),
        (HOST, None, 495),
        (OTHER, None, 495),
    ] {
        assert_eq!(status(&vallum, host, client(identity)), expected, "{host}");
    }
}

#[test]
fn a_refusal_speaks_the_clients_language() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, mtls(&authority, json!({}))));
    let text = "a valid client certificate is required to access this page";
    for (fields, content_type) in [
        ("Accept: text/html\r\n", "text/html"),
        ("Accept: application/json\r\n", "application/json"),
        ("User-Agent: kubectl/v1 kubernetes/x\r\n", "application/json"),
    ] {
        let answer = vallum.connect_tls(HOST).ask(get(HOST, "/", fields));
        assert_eq!(answer.status, 495, "{fields}");
        assert!(answer.header("content-type").starts_with(content_type), "{answer:?}");
        assert!(answer.text().to_lowercase().contains(text), "{}", answer.text());
    }
    assert!(upstream.requests().is_empty());
    let page = vallum.connect_tls(HOST).ask(get(HOST, "/", "Accept: text/html\r\n")).text();
    assert!(page.contains("choose a certificate") && !page.contains("Sign in"), "{page}");
    // Our own pages and the probe ask for none.
    assert_eq!(vallum.connect_tls(HOST).ask(get(HOST, "/ping", "")).status, 200);
    assert_ne!(vallum.connect_tls(HOST).ask(get(HOST, "/.pomerium/", "")).status, 495);
}

#[test]
fn curl_and_openssl_bring_certificates_too() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, mtls(&authority, json!({}))));
    let folder = TempDir::new().unwrap();
    let good = authority.client("laptop", |_| {}).write_to(folder.path(), "good");
    let bad = Authority::named("Other").client("laptop", |_| {}).write_to(folder.path(), "bad");
    for version in ["--http1.1", "--http2"] {
        assert_eq!(curl(&vallum, version, Some(&good)), "200", "{version}");
        assert_eq!(curl(&vallum, version, Some(&bad)), "495", "{version}");
        assert_eq!(curl(&vallum, version, None), "495", "{version}");
    }
    let told = openssl(&vallum, folder.path());
    assert!(told.contains("Acceptable client certificate CA names") && told.contains("CN = Test authority"), "{told}");
}

fn curl(vallum: &Vallum, version: &str, leaf: Option<&Leaf>) -> String {
    let port = vallum.address.port();
    let mut command = Command::new("curl");
    command.args(["-sk", version, "-o", "/dev/null", "-w", "%{http_code}\n", "--max-time", "10"]);
    command.arg("--resolve").arg(format!("{HOST}:{port}:127.0.0.1")).arg(format!("https://{HOST}:{port}/"));
    if let Some(leaf) = leaf {
        command.arg("--cert").arg(&leaf.cert).arg("--key").arg(&leaf.key);
    }
    Process::run("curl", &mut command, PATIENCE).1.join("")
}

/// What `openssl s_client` says of the handshake.
fn openssl(vallum: &Vallum, folder: &Path) -> String {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["s_client", "-servername", HOST, "-connect", &vallum.address.to_string()]);
    command.stdin(std::process::Stdio::null());
    Process::run("openssl", &mut command, PATIENCE).1.join("\n").replace("CN=", "CN = ")
}
