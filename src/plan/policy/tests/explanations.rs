//! What a refused person is told.

use super::super::{Condition, FAILING_LINES_MAX, Lists};
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
            &[r#"deny: source_ip in ["10.0.0.0/8", "1.2.3.4/32"] → source-ip-ok"#],
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
fn every_criterion_in_the_order_of_the_configuration() {
    let legacy =
        Legacy { lists: Lists { domains: vec!["example.org".to_owned()], ..Lists::default() }, ..Legacy::default() };
    let ppl = document(
        "[{deny: {nor: [http_path: /, groups: owners]}}, {allow: {and: [http_path: /x, email: a, accept: 1]}}]",
    );
    let policy = Policy::compile(&legacy, Some(&ppl)).unwrap();
    let alice = alice();
    let explanation = policy.explain(&request(Some(&alice)));
    let rules: Vec<_> = explanation
        .rules
        .iter()
        .map(|rule| {
            format!("{} {} {} {}", rule.action.name(), rule.operator.name(), written(rule.place), rule.outcome.value)
        })
        .collect();
    assert_eq!(rules, ["allow or  false", "allow and 1.allow.and false", "deny nor 0.deny.nor true"]);
    let criteria: Vec<_> = explanation
        .rules
        .iter()
        .flat_map(|rule| &rule.criteria)
        .map(|c| format!("{}: {} {} {} {}", written(c.place), c.criterion, c.value, c.reason, c.is_decisive))
        .collect();
    assert_eq!(
        criteria,
        [
            r#"allowed_domains: domain is "example.org" false domain-unauthorized true"#,
            r#"1.allow.and.0.http_path: http_path is "/x" false http-path-unauthorized true"#,
            r#"1.allow.and.1.email: email is "a" false email-unauthorized true"#,
            "1.allow.and.2.accept: accept true accept false",
            r#"0.deny.nor.0.http_path: http_path is "/" true http-path-ok false"#,
            r#"0.deny.nor.1.groups: groups has "owners" false groups-unauthorized true"#,
        ]
    );
    assert_eq!(explanation.decision, policy.decide(&request(Some(&alice))));
}

#[test]
fn conditions_can_be_taken_apart() {
    let policy = policy("{allow: {or: [claim/a/b: {has: x, exclude: 2}, source_ip: [10.0.0.1, '::/0'], accept: 1]}}");
    let facts = request(None);
    let explanation = policy.explain(&facts);
    let parts: Vec<_> = explanation.rules[0]
        .criteria
        .iter()
        .map(|c| (c.criterion.name(), c.criterion.sub_path(), c.criterion.conditions()))
        .collect();
    let condition = |operator, values: &[Value]| Condition { operator, values: values.to_vec() };
    assert_eq!(parts[0], ("claim", "a/b", vec![condition("has", &[json!("x")]), condition("exclude", &[json!(2)])]));
    assert_eq!(parts[1], ("source_ip", "", vec![condition("in", &[json!("10.0.0.1/32"), json!("::/0")])]));
    assert_eq!(parts[2], ("accept", "", vec![]));
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
