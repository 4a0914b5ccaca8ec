//! What else is told of a client's certificate: to upstreams, in the log, to whoever checks a configuration.

use rcgen::SanType;
use tempfile::TempDir;

use super::*;
use crate::harness::PATIENCE;
use crate::harness::process::Process;
use crate::harness::vallum::{command, write_config};

#[test]
fn upstreams_are_told_of_valid_certificates_only_and_only_by_us() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let telling = json!({"set_request_headers": {
        "X-Print": "${pomerium.client_cert_fingerprint}",
        "X-Names": "<$pomerium.client_cert_san_dns|${pomerium.client_cert_san_email}>",
    }});
    let vallum = Vallum::start(json!({
        "downstream_mtls": mtls(&authority, json!({"enforcement": "policy"})),
        "routes": [and(public_route(HOST, json!(upstream.url())), telling)],
    }));
    let named = |p: &mut rcgen::CertificateParams| {
        p.subject_alt_names.push(SanType::DnsName("second.example.com".try_into().unwrap()));
        p.subject_alt_names.push(SanType::Rfc822Name("a@example.com".try_into().unwrap()));
    };
    let valid = authority.client("laptop", named);
    let stranger = Authority::named("Other").client("laptop", named);
    let print = vallum::plan::client_certificate::Leaf::read(&valid.chain[0]).fingerprint_hex();
    for (identity, print, names) in [
        (Some(&valid), &*print, "<laptop.example.com,second.example.com|a@example.com>"),
        (Some(&stranger), "", "<|>"),
        (None, "", "<|>"),
    ] {
        let mut wire = Wire::tls_with(vallum.address, HOST, client(identity).into()).unwrap();
        let forged = "X-Forwarded-Client-Cert: Hash=evil\r\nX-Print: evil\r\nx-names: evil\r\nX-Client-Cert: evil\r\n";
        assert_eq!(wire.ask(get(HOST, "/", forged)).status, 200);
        let request = upstream.requests().pop().unwrap();
        assert_eq!((request.header("x-print"), request.header("x-names")), (print, names));
        assert!(!request.has("x-forwarded-client-cert") && !request.has("x-client-cert"), "{request:?}");
    }
}

#[test]
fn the_log_says_who_showed_what() {
    let (upstream, authority) = (Upstream::echo(), Authority::new());
    let vallum = Vallum::start(settings(&upstream, mtls(&authority, json!({}))));
    let identity = authority.client("laptop", |_| {});
    assert_eq!(status(&vallum, HOST, identity.client(&[])), 200);
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("response-code", json!(200))]);
    let shown = &line["client-certificate"];
    assert_eq!((&shown["subject"], &shown["issuer"]), (&json!("CN=laptop"), &json!("CN=Test authority")));
    assert_eq!(shown["subjectAltName"], json!(["DNS:laptop.example.com"]));

    assert_eq!(status(&vallum, HOST, accept_any(&[])), 495);
    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("response-code", json!(495))]);
    assert!(line.get("client-certificate").is_none(), "{line}");
    let line = vallum.wait_for_log(&[("message", json!("authorize check")), ("deny", json!(true))]);
    assert_eq!(line["deny-why-true"], json!(["client-certificate-required"]));
}

#[test]
fn validate_warns_of_terms_without_an_authority() {
    let folder = TempDir::new().unwrap();
    let file = write_config(
        folder.path(),
        &json!({
            "insecure_server": true,
            "downstream_mtls": {"enforcement": "reject_connection"},
            "routes": [public_route(HOST, json!("http://127.0.0.1:1"))],
        }),
    );
    let (status, lines) = Process::run("vallum", command().arg("validate").arg(file), PATIENCE);
    assert!(status.success(), "{lines:?}");
    assert!(lines.join("\n").contains("`downstream_mtls` has no effect"), "{lines:?}");
}
