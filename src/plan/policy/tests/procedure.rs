//! From the two results to a verdict, with the consequences that surprise people.

use super::super::decision::verdict;
use super::super::{Outcome, Verdict};
use super::*;

fn decide(yaml: &str, session: Option<&Session>) -> Verdict {
    policy(yaml).decide(&request(session)).verdict
}

#[test]
fn deny_behind_accept_sends_everybody_to_sign_in() {
    let yaml = "{allow: {or: [accept: true]}, deny: {or: [email: mallory@example.com]}}";
    assert_eq!(decide(yaml, None), Verdict::SignIn);
    assert_eq!(decide(yaml, Some(&alice())), Verdict::Allow);
    assert_eq!(decide(yaml, Some(&with_email("mallory@example.com"))), Verdict::Deny(403));
    let decision = policy(yaml).decide(&request(None));
    assert_eq!((decision.allow.value, decision.allow.reasons), (true, reasons(&["accept"])));
    assert_eq!((decision.deny.value, decision.deny.reasons), (false, reasons(&["user-unauthenticated"])));
    assert_eq!(decision.reasons(), reasons(&["user-unauthenticated"]));
}

#[test]
fn accept_beside_a_person_lets_anybody_pass() {
    let decision = policy("{allow: {or: [accept: true, email: alice@example.com]}}").decide(&request(None));
    assert_eq!(decision.verdict, Verdict::Allow);
    assert_eq!(decision.allow.reasons, reasons(&["accept"]));
    assert_eq!(decision.reasons(), reasons(&["accept"]));
}

#[test]
fn not_a_person_sends_nobody_in_particular_to_sign_in() {
    let yaml = "{allow: {not: [email: alice@example.com]}}";
    let decision = policy(yaml).decide(&request(None));
    assert_eq!((decision.allow.value, decision.allow.reasons), (true, reasons(&["user-unauthenticated"])));
    assert_eq!(decision.verdict, Verdict::SignIn);
    assert_eq!(decide(yaml, Some(&alice())), Verdict::Deny(403));
    assert_eq!(decide(yaml, Some(&with_email("bob@example.com"))), Verdict::Allow);
}

#[test]
fn a_good_address_spares_sign_in_and_a_bad_one_does_not() {
    let inside = "{allow: {or: [source_ip: 10.0.0.0/8, email: alice@example.com]}}";
    assert_eq!(decide(inside, None), Verdict::Allow);
    let outside = "{allow: {or: [source_ip: 192.168.0.0/16, email: alice@example.com]}}";
    assert_eq!(decide(outside, None), Verdict::SignIn);
    assert_eq!(decide(outside, Some(&alice())), Verdict::Allow);
    assert_eq!(decide(outside, Some(&with_email("bob@example.com"))), Verdict::Deny(403));
}

#[test]
fn negative_matchers_do_not_let_strangers_pass() {
    for criterion in [
        "email: {not: x}",
        "email: {}",
        "email: {not_in: []}",
        "domain: {not: x}",
        "user: {not: x}",
        "claim/x: {exclude: x}",
        "claim/x: {}",
        "groups: {exclude: x}",
    ] {
        assert_eq!(decide(&format!("{{allow: {{and: [{criterion}]}}}}"), None), Verdict::SignIn, "{criterion}");
        assert_eq!(decide(&format!("{{allow: {{nor: [{criterion}]}}}}"), None), Verdict::SignIn, "{criterion}");
        let denied = format!("{{allow: {{or: [accept: 1]}}, deny: {{or: [{criterion}]}}}}");
        assert_eq!(decide(&denied, None), Verdict::SignIn, "{criterion}");
    }
}

#[test]
fn and_asks_for_sign_in_even_when_something_else_failed() {
    let yaml = "{allow: {and: [http_method: POST, authenticated_user: 1]}}";
    assert_eq!(decide(yaml, None), Verdict::SignIn);
    let decision = policy(yaml).decide(&request(Some(&alice())));
    assert_eq!(decision.verdict, Verdict::Deny(403));
    assert_eq!(decision.reasons(), reasons(&["http-method-unauthorized"]));
}

#[test]
fn deny_wins_and_reject_denies_nobody() {
    let accepted = "allow: {or: [accept: true]}";
    assert_eq!(decide(&format!("{{{accepted}, deny: {{or: [accept: true]}}}}"), None), Verdict::Deny(403));
    assert_eq!(decide(&format!("{{{accepted}, deny: {{or: [reject: true]}}}}"), None), Verdict::Allow);
    assert_eq!(decide("{allow: {or: [reject: true]}}", None), Verdict::Deny(403));
    assert_eq!(decide("{deny: {or: [reject: true]}}", None), Verdict::Deny(403));
    let denied = policy(&format!("{{{accepted}, deny: {{or: [http_path: /]}}}}")).decide(&request(None));
    assert_eq!(denied.reasons(), reasons(&["http-path-ok"]));
}

#[test]
fn default_deny_for_certificates_is_silent_without_a_ca() {
    let yaml = "{allow: {or: [accept: 1]}, deny: {or: [invalid_client_certificate: true]}}";
    assert_eq!(decide(yaml, None), Verdict::Allow);
    let inverted = "{allow: {or: [accept: 1]}, deny: {not: [invalid_client_certificate: true]}}";
    let decision = policy(inverted).decide(&request(None));
    assert_eq!(decision.verdict, Verdict::Deny(403));
    assert_eq!(decision.deny.reasons, reasons(&["valid-client-certificate"]));
}

#[test]
fn no_rule_refuses_everybody() {
    for session in [None, Some(&alice())] {
        assert_eq!(decide("{}", session), Verdict::Deny(403));
        assert_eq!(Policy::default().decide(&request(session)).verdict, Verdict::Deny(403));
    }
}

#[test]
fn order_of_the_steps() {
    type Case = (bool, &'static [&'static str], bool, &'static [&'static str], Verdict);
    let cases: [Case; 14] = [
        (true, &["accept"], false, &[], Verdict::Allow),
        (false, &["accept"], false, &[], Verdict::Deny(403)),
        (true, &[], true, &[], Verdict::Deny(403)),
        (true, &[], true, &["client-certificate-required"], Verdict::Deny(495)),
        (true, &[], false, &["invalid-client-certificate"], Verdict::Deny(495)),
        (false, &["user-unauthenticated"], true, &["client-certificate-required"], Verdict::Deny(495)),
        (true, &[], false, &["valid-client-certificate"], Verdict::Allow),
        (false, &["invalid-client-certificate", "user-unauthenticated"], false, &[], Verdict::SignIn),
        (false, &["invalid-client-certificate"], false, &[], Verdict::Deny(495)),
        (true, &["user-unauthenticated"], true, &["device-unauthenticated"], Verdict::SignIn),
        (true, &["device-unauthenticated"], false, &[], Verdict::ShowDevice),
        (true, &[], true, &["device-unauthorized", "route-not-found"], Verdict::Deny(450)),
        (false, &["route-not-found", "client-certificate-required"], false, &[], Verdict::Deny(404)),
        (false, &["device-unauthorized"], true, &["accept"], Verdict::Deny(403)),
    ];
    for (allow, allow_reasons, deny, deny_reasons, expected) in cases {
        let allow = Outcome { value: allow, reasons: reasons(allow_reasons) };
        let deny = Outcome { value: deny, reasons: reasons(deny_reasons) };
        assert_eq!(verdict(allow, deny), expected, "{allow:?} {deny:?}");
    }
}
