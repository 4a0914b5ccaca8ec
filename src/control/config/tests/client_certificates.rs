//! `downstream_mtls` and the client CAs of routes: what is understood, and what is said when it is not.

use base64::Engine;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::*;
use crate::plan::client_certificate::{Ask, Enforcement};

fn certificate(name: &str, is_ca: IsCa) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if matches!(is_ca, IsCa::Ca(_)) {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    params.is_ca = is_ca;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn authority(name: &str) -> String {
    certificate(name, IsCa::Ca(BasicConstraints::Unconstrained))
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn secure() -> String {
    BASE.replace("insecure_server: true\n", "address: ':0'\n")
}

const ROUTES: &str =
    "routes:\n  - {from: https://a.example, to: http://127.0.0.1:1, allow_any_authenticated_user: true";

fn messages(more: &str) -> Vec<String> {
    problems(more).into_iter().map(|problem| problem.message).collect()
}

#[test]
fn terms_are_global_or_a_routes_own() {
    let folder = Folder::new();
    let own = folder.file("own.pem", authority("own"));
    let text = format!(
        "{}downstream_mtls: {{ca: {}, enforcement: POLICY, max_verify_depth: 3, match_subject_alt_names: [{{DNS: 'a.*'}}]}}\n\
         {ROUTES}}}\n  - {{from: https://b.example, to: http://127.0.0.1:1, tls_downstream_client_ca_file: {}}}\n",
        secure(),
        base64(&authority("global")),
        own.display(),
    );
    let loaded = folder.load(&text, &Environment::new()).unwrap_or_else(|p| panic!("{p:#?}"));
    let index = &loaded.plan.client_certificates;
    let (global, of_route) = (index.find(Some("a.example")), index.find(Some("b.example")));
    assert_ne!(global, of_route);
    assert_eq!((index.find(None), index.find(Some("unknown.example"))), (global, global));
    assert!(index.terms(global).all(|terms| terms.enforcement() == Enforcement::Policy));
    assert!(loaded.watched.contains(&own));
    assert!(plan("").client_certificates.is_empty());
    assert_eq!(plan("").client_certificates.find(None), Ask::NONE);
}

#[test]
fn the_environment_may_say_it() {
    let variables = [
        ("DOWNSTREAM_MTLS_CA", base64(&authority("ca"))),
        ("DOWNSTREAM_MTLS_ENFORCEMENT", "reject_connection".to_owned()),
        ("DOWNSTREAM_MTLS_MATCH_SUBJECT_ALT_NAMES", "[{\"email\": \".*@example\\\\.com\"}]".to_owned()),
        ("DOWNSTREAM_MTLS_MAX_VERIFY_DEPTH", "0".to_owned()),
    ];
    let env: Environment = variables.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let loaded = Folder::new().load(&secure(), &env).unwrap_or_else(|p| panic!("{p:#?}"));
    let index = &loaded.plan.client_certificates;
    assert!(index.rejects(index.find(None)));
}

#[test]
fn mistakes_are_told_in_pomeriums_words() {
    let (ca, leaf) = (base64(&authority("ca")), base64(&certificate("leaf", IsCa::NoCa)));
    let bad = "config: bad downstream mTLS settings";
    for (more, expected) in [
        (format!("downstream_mtls: {{ca: {ca}, ca_file: x}}"), format!("{bad}: cannot set both ca and ca_file")),
        ("downstream_mtls: {crl: x, crl_file: y}".into(), format!("{bad}: cannot set both crl and crl_file")),
        ("downstream_mtls: {ca: '!'}".into(), format!("{bad}: CA: the value is not base64 of PEM text")),
        ("downstream_mtls: {ca: eA==}".into(), format!("{bad}: CA: there is no certificate in PEM form")),
        ("downstream_mtls: {ca_file: /nonexistent}".into(), format!("{bad}: CA file: ")),
        (
            format!("downstream_mtls: {{ca: {leaf}}}"),
            format!("{bad}: CA: none of its certificates is that of a certificate authority"),
        ),
        ("downstream_mtls: {crl: '!'}".into(), format!("{bad}: CRL: ")),
        ("downstream_mtls: {crl_file: /nonexistent}".into(), format!("{bad}: CRL file: ")),
        (
            format!("downstream_mtls: {{crl: {}}}", base64("-----BEGIN X509 CRL-----\neA==\n-----END X509 CRL-----\n")),
            format!("{bad}: CRL: revocation list 1 cannot be used: "),
        ),
        ("downstream_mtls: {enforcement: x}".into(), "unsupported enum value x for downstream_mtls.enforcement".into()),
        (
            "downstream_mtls: {match_subject_alt_names: [dns]}".into(),
            format!("{bad}: unsupported SAN matcher format: expected {{type: pattern}}"),
        ),
        (
            "downstream_mtls: {match_subject_alt_names: [{dns: a, uri: b}]}".into(),
            format!("{bad}: unsupported SAN matcher format: expected {{type: pattern}}"),
        ),
        ("downstream_mtls: {match_subject_alt_names: [{x: a}]}".into(), format!("{bad}: unknown SAN type \"x\"")),
        (
            "downstream_mtls: {match_subject_alt_names: [{dns: 'a)|(b'}]}".into(),
            format!("{bad}: couldn't parse pattern \"a)|(b\": "),
        ),
        ("downstream_mtls: {max_verify_depth: -1}".into(), "`downstream_mtls.max_verify_depth`: expected".into()),
        ("downstream_mtls: yes please".into(), "`downstream_mtls`: expected a map".into()),
        (format!("{ROUTES}, tls_downstream_client_ca: '!'}}"), "config: couldn't decode downstream client ca: ".into()),
        (
            format!("{ROUTES}, tls_downstream_client_ca_file: /nonexistent}}"),
            "config: couldn't load downstream client ca: ".into(),
        ),
    ] {
        assert!(load_text(&format!("{BASE}{more}\n")).is_err(), "{more}");
        let told = messages(&format!("{more}\n"));
        assert!(told.iter().any(|message| message.starts_with(&expected)), "{more}: {told:#?}");
    }
}

#[test]
fn what_does_nothing_is_warned_of() {
    let (ca, leaf) = (authority("ca"), certificate("leaf", IsCa::NoCa));
    for (more, expected) in [
        ("downstream_mtls: {enforcement: policy}\n".to_owned(), "`downstream_mtls` has no effect"),
        (format!("downstream_mtls: {{ca: {}}}\n", base64(&ca)), "`insecure_server` takes no client certificates"),
        (
            format!("downstream_mtls: {{ca: {}}}\n", base64(&(ca + &leaf))),
            "`downstream_mtls.ca`: the certificate CN=leaf is not that of a certificate authority",
        ),
        ("downstream_mtls: {cafile: x}\n".to_owned(), "unknown config option `cafile`"),
    ] {
        let loaded = load_text(&format!("{BASE}{more}")).unwrap_or_else(|p| panic!("{more}: {p:#?}"));
        let told: Vec<&str> = loaded.warnings.iter().map(|problem| problem.message.as_str()).collect();
        assert!(told.iter().any(|message| message.starts_with(expected)), "{more}: {told:#?}");
    }
}

#[test]
fn our_own_certificate_for_upstreams_comes_with_its_key() {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["edge.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (cert, key) = (base64(&cert.pem()), base64(&key.serialize_pem()));
    let other = base64(&KeyPair::generate().unwrap().serialize_pem());
    let route = |more: &str| format!("{}, {more}}}\n", ROUTES.replace("http://127.0.0.1:1", "https://127.0.0.1:1"));
    plan(&route(&format!("tls_client_cert: {cert}, tls_client_key: {key}")));
    let both = "config: client certificate key and cert both must be non-empty";
    for (more, expected) in [
        (format!("tls_client_cert: {cert}"), both),
        (format!("tls_client_key: {key}"), both),
        ("tls_client_cert_file: /nonexistent".to_owned(), both),
        (format!("tls_client_cert: '!', tls_client_key: {key}"), "config: couldn't decode client cert: "),
        (format!("tls_client_cert: {key}, tls_client_key: {key}"), "config: couldn't decode client cert: "),
        (format!("tls_client_cert: {cert}, tls_client_key: {cert}"), "config: couldn't decode client cert: "),
        (format!("tls_client_cert: {cert}, tls_client_key: {other}"), "config: couldn't decode client cert: "),
        (
            "tls_client_cert_file: /nonexistent, tls_client_key_file: /nonexistent".to_owned(),
            "config: couldn't load client cert file: ",
        ),
    ] {
        let told = messages(&route(&more));
        assert!(told.iter().any(|message| message.starts_with(expected)), "{more}: {told:#?}");
    }
}
