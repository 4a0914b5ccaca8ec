//! What a refused person is told.

use super::super::FAILING_LINES_MAX;
use super::*;

#[test]
fn lines() {
    let alice = alice();
    let cases: [(&str, &[&str]); 9] = [
        ("{allow: {or: [claim/groups: owners]}}", &[r#"claim/groups has "owners" → claim-unauthorized"#]),
        ("{allow: {or: [claim/groups: admins]}}", &[]),
        ("{}", &["no rule allows anybody"]),
        (
            "{allow: {and: [http_method: {in: [POST]}, http_path: /, authenticated_user: 1, domain: {not: example.com}]}}",
            &[
                r#"http_method is "POST" → http-method-unauthorized"#,
                r#"domain not "example.com" → domain-unauthorized"#,
            ],
        ),
        (
            "{allow: {not: [user: {starts_with: alice, contains: e}, email: x]}}",
            &[r#"not user starts_with "alice" and contains "e" → user-ok"#],
        ),
        (
            "{allow: {or: [accept: 1]}, deny: {or: [source_ip: [10.0.0.0/8, 1.2.3.4], user: zoe]}}",
            &["deny: source_ip in [10.0.0.0/8, 1.2.3.4/32] → source-ip-ok"],
        ),
        (
            "{allow: {or: [reject: 1, cors_preflight: 1]}, deny: {nor: [groups: {exclude: admins}]}}",
            &[
                r#"deny: not groups exclude "admins" → groups-unauthorized"#,
                "reject → reject",
                "cors_preflight → non-cors-request",
            ],
        ),
        (
            "{allow: {and: [http_path: {}, email: {not_in: [alice@example.com, b, c, d, e]}]}}",
            &[r#"email not_in ["alice@example.com", "b", "c", and 2 more] → email-unauthorized"#],
        ),
        ("{allow: {and: [invalid_client_certificate: 1]}}", &["invalid_client_certificate → valid-client-certificate"]),
    ];
    for (yaml, expected) in cases {
        assert_eq!(policy(yaml).failing(&request(Some(&alice))), expected, "{yaml}");
    }
}

#[test]
fn nothing_of_the_session_is_told() {
    let yaml = "{allow: {or: [email: a, domain: b, user: c, groups: d, claim/family_name: e, claim/groups: {is: f}]}}";
    let told = policy(yaml).failing(&request(Some(&alice()))).join("\n");
    assert_eq!(told.lines().count(), 6);
    for secret in ["alice", "example.com", "Smith", "admins", "staff", "session-1"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn lines_are_bounded() {
    let one = "{http_path: /x}";
    let yaml = format!("{{allow: {{or: [{}]}}}}", [one; FAILING_LINES_MAX + 8].join(", "));
    let lines = policy(&yaml).failing(&request(None));
    assert_eq!(lines.len(), FAILING_LINES_MAX + 1);
    assert_eq!(lines[FAILING_LINES_MAX], "and 8 more");
}
