//! Certificates: read, matched, indexed, and what they cover.

use base64::Engine;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;

struct Pair {
    cert: String,
    key: String,
}

fn pair(names: &[&str]) -> Pair {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
    let cert = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Pair { cert: cert.pem(), key: key.serialize_pem() }
}

fn secrets() -> String {
    BASE.replace("insecure_server: true\n", "")
}

#[test]
fn certificates_are_found_by_their_names_however_they_are_given() {
    let folder = Folder::new();
    let (a, b, c) = (pair(&["a.example", "*.w.example", "10.0.0.1"]), pair(&["b.example"]), pair(&["c.example"]));
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let text = format!(
        "{}certificates: [{{cert: {}, key: {}}}]\ncertificate: {}\ncertificate_key: {}\ncertificate_file: {}\ncertificate_key_file: {}\n",
        secrets(),
        folder.file("a.crt", &a.cert).display(),
        folder.file("a.key", &a.key).display(),
        base64(&b.cert),
        base64(&b.key),
        folder.file("c.crt", &c.cert).display(),
        folder.file("c.key", &c.key).display(),
    );
    let loaded = folder.load(&text, &Environment::new()).unwrap();
    let index = &loaded.plan.certificates;
    assert_eq!((index.len(), loaded.warnings.len()), (3, 0), "{:?}", loaded.warnings);
    for (name, expected) in [
        ("a.example", true),
        ("x.w.example", true),
        ("x.y.w.example", false),
        ("10.0.0.1", true),
        ("b.example", true),
        ("c.example", true),
        ("d.example", false),
    ] {
        assert_eq!(index.find(name).is_some(), expected, "{name}");
    }
    assert_eq!(loaded.watched.len(), 5);
}

#[test]
fn the_common_name_counts_only_without_alternative_names() {
    let key = KeyPair::generate().unwrap();
    let certificate = |names: Vec<SanType>| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "cn.example");
        params.subject_alt_names = names;
        params.self_signed(&key).unwrap().pem()
    };
    for (names, expected) in [(vec![], true), (vec![SanType::DnsName("san.example".try_into().unwrap())], false)] {
        let folder = Folder::new();
        let text = format!(
            "{}certificate_file: {}\ncertificate_key_file: {}\n",
            secrets(),
            folder.file("crt", certificate(names)).display(),
            folder.file("key", key.serialize_pem()).display()
        );
        let plan = folder.load(&text, &Environment::new()).unwrap().plan;
        assert_eq!(plan.certificates.find("cn.example").is_some(), expected);
    }
}

#[test]
fn wrong_certificates_are_errors() {
    let folder = Folder::new();
    let (a, b) = (pair(&["a.example"]), pair(&["b.example"]));
    let cert = folder.file("a.crt", &a.cert).display().to_string();
    let key = folder.file("a.key", &a.key).display().to_string();
    let other = folder.file("b.key", &b.key).display().to_string();
    let junk = folder.file("junk", "nothing").display().to_string();
    for (text, error) in [
        (format!("certificates: [{{cert: {cert}}}]"), "config: invalid certificate entry: `key` is missing"),
        ("certificates: [5]".into(), "`certificates[0]`: expected a map with `cert` and `key`, found a number"),
        ("certificates: x".into(), "`certificates`: expected a list of {cert, key}, found a string"),
        (
            format!("certificates: [{{cert: /nonexistent, key: {key}}}]"),
            "config: bad cert entry, file reference invalid. ",
        ),
        (
            format!("certificates: [{{cert: {cert}, key: {other}}}]"),
            "config: bad cert entry, cert is invalid: the private key does not belong",
        ),
        (
            format!("certificates: [{{cert: {junk}, key: {key}}}]"),
            "config: bad cert entry, cert is invalid: there is no certificate",
        ),
        (
            format!("certificates: [{{cert: {cert}, key: {junk}}}]"),
            "config: bad cert entry, cert is invalid: there is no private key",
        ),
        (format!("certificate_file: {cert}"), "config: bad cert file `certificate_file`: its key is missing"),
        (format!("certificate_file: {cert}\ncertificate_key_file: /nonexistent"), "config: bad cert file "),
        ("certificate: x\ncertificate_key: y".into(), "config: bad cert base64 "),
    ] {
        let problems = folder.load(&format!("{BASE}{text}"), &Environment::new()).unwrap_err();
        assert!(problems.list[0].message.starts_with(error), "{text}: {}", problems.list[0].message);
        assert_eq!(problems.errors(), 1, "{text}: {problems:?}");
    }
}

#[test]
fn uncovered_hosts_and_expired_certificates_warn() {
    let folder = Folder::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["b.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let old = params.self_signed(&key).unwrap().pem();
    let text = format!(
        "{}authenticate_service_url: https://auth.example\ncertificate_file: {}\ncertificate_key_file: {}\n{}",
        secrets(),
        folder.file("crt", old).display(),
        folder.file("key", key.serialize_pem()).display(),
        route("to: http://127.0.0.1:1"),
    );
    let loaded = folder.load(&text, &Environment::new()).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "no configured certificate covers auth.example: it gets a self-signed one",
            "the certificate b.example has expired",
            "no configured certificate covers a.example: it gets a self-signed one",
        ]
    );
    let route = loaded.plan.routes.iter().next().unwrap();
    assert!(route.response_headers.iter().any(|(name, _)| &**name == "strict-transport-security"));
}
