//! `client_certificate`, `invalid_client_certificate` and the default rule.

use super::super::Verdict;
use super::*;

fn leaf() -> Leaf {
    let names = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    Leaf {
        fingerprint: [0xab; 32],
        spki_hash: [0; 32],
        names: Names {
            dns: names(&["laptop.example.com", "other.example.com"]),
            email: names(&["alice@example.com"]),
            uri: names(&["spiffe://example.com/alice"]),
            ..Names::default()
        },
        ..Leaf::default()
    }
}

#[test]
fn conditions_on_what_was_shown() {
    let (short, long) = ("ab".repeat(32), format!("{}AB", "AB:".repeat(31)));
    let (zeros, other) = ("A".repeat(43) + "=", "B".repeat(42) + "A=");
    for (data, expected) in [
        ("{}".to_owned(), true),
        (format!("{{fingerprint: {short}}}"), true),
        (format!("{{fingerprint: '{long}'}}"), true),
        (format!("{{fingerprint: [{}, '{long}']}}", "cd".repeat(32)), true),
        (format!("{{fingerprint: {}}}", "cd".repeat(32)), false),
        ("{fingerprint: []}".to_owned(), false),
        (format!("{{spki_hash: {zeros}}}"), true),
        (format!("{{spki_hash: [{other}, {zeros}]}}"), true),
        (format!("{{spki_hash: {other}}}"), false),
        ("{san_dns: other.example.com}".to_owned(), true),
        ("{san_dns: {starts_with: laptop, ends_with: .com}}".to_owned(), true),
        ("{san_dns: {starts_with: laptop, ends_with: .net}}".to_owned(), false),
        ("{san_dns: {not: laptop.example.com}}".to_owned(), true),
        ("{san_email: {is: alice@example.com}}".to_owned(), true),
        ("{san_email: {is: laptop.example.com}}".to_owned(), false),
        ("{san_uri: {contains: alice}, san_email: alice@example.com}".to_owned(), true),
        ("{san_uri: {contains: bob}, san_email: alice@example.com}".to_owned(), false),
    ] {
        let policy = policy(&format!("allow: {{and: [client_certificate: {data}]}}"));
        let leaf = leaf();
        let shown = Facts { certificate: Some(&leaf), standing: Standing::Invalid, ..request(None) };
        let reason = if expected { "client-certificate-ok" } else { "client-certificate-unauthorized" };
        let decision = policy.decide(&shown);
        assert_eq!((decision.allow.value, decision.allow.reasons), (expected, reasons(&[reason])), "{data}");
        // Without a certificate nothing matches, not even the empty condition.
        let decision = policy.decide(&request(None));
        let refused = (false, reasons(&["client-certificate-unauthorized"]));
        assert_eq!((decision.allow.value, decision.allow.reasons), refused, "{data}");
    }
}

#[test]
fn standing_decides_before_sign_in() {
    let legacy = Legacy { any_authenticated_user: true, needs_certificate: true, ..Legacy::default() };
    let policy = Policy::compile(&legacy, None).unwrap();
    let (alice, nobody) = (alice(), None);
    for (standing, reason, session, verdict) in [
        (Standing::Missing, "client-certificate-required", nobody, Verdict::Deny(495)),
        (Standing::Missing, "client-certificate-required", Some(&alice), Verdict::Deny(495)),
        (Standing::Invalid, "invalid-client-certificate", nobody, Verdict::Deny(495)),
        (Standing::Invalid, "invalid-client-certificate", Some(&alice), Verdict::Deny(495)),
        (Standing::Valid, "valid-client-certificate", nobody, Verdict::SignIn),
        (Standing::Valid, "valid-client-certificate", Some(&alice), Verdict::Allow),
    ] {
        let decision = policy.decide(&Facts { standing, ..request(session) });
        assert_eq!((decision.verdict, decision.deny.reasons), (verdict, reasons(&[reason])), "{standing:?}");
        assert_eq!(decision.deny.value, standing != Standing::Valid);
    }
}

#[test]
fn without_the_default_rule_the_policy_has_the_say() {
    let decide = |yaml: &str| {
        let facts = Facts { standing: Standing::Missing, ..request(None) };
        policy(yaml).decide(&facts).verdict
    };
    assert_eq!(decide("allow: {or: [accept: 1]}"), Verdict::Allow);
    assert_eq!(decide("{allow: {or: [accept: 1]}, deny: {or: [invalid_client_certificate: 1]}}"), Verdict::Deny(495));
    // In `allow` the reasons do not refuse before sign-in, but they name the status.
    assert_eq!(decide("allow: {not: [invalid_client_certificate: 1]}"), Verdict::Deny(495));
    assert_eq!(decide("allow: {and: [client_certificate: {}]}"), Verdict::Deny(403));
}

#[test]
fn conditions_are_explained_in_the_policys_words() {
    let print = "ab".repeat(32);
    let yaml = format!("allow: {{and: [client_certificate: {{fingerprint: '{print}', san_dns: {{in: [a, b]}}}}]}}");
    let expected = format!(
        r#"client_certificate fingerprint "{print}" and san_dns {{"in":["a","b"]}} → client-certificate-unauthorized"#
    );
    assert_eq!(policy(&yaml).failing(&request(None)), [expected]);
}
