//! The access fields of a route, alone and beside a policy.

use super::super::{Lists, SubPolicy, Verdict};
use super::*;

fn compile(legacy: &Legacy) -> Policy {
    Policy::compile(legacy, None).unwrap()
}

fn of(lists: Lists) -> Legacy {
    Legacy { lists, ..Legacy::default() }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn single_fields() {
    let public = compile(&Legacy { public: true, ..Legacy::default() });
    assert_eq!(public.decide(&request(None)).verdict, Verdict::Allow);
    assert!(!public.needs_session());

    let anybody = compile(&Legacy { any_authenticated_user: true, ..Legacy::default() });
    assert_eq!(anybody.decide(&request(None)).verdict, Verdict::SignIn);
    assert_eq!(anybody.decide(&request(Some(&alice()))).verdict, Verdict::Allow);

    let preflight = compile(&Legacy { cors_preflight: true, any_authenticated_user: true, ..Legacy::default() });
    assert_eq!(preflight.decide(&request(None)).verdict, Verdict::SignIn);
    let facts = Facts { method: "OPTIONS", cors_preflight: true, ..request(None) };
    let decision = preflight.decide(&facts);
    assert_eq!((decision.verdict, decision.allow.reasons), (Verdict::Allow, reasons(&["cors-request"])));
}

#[test]
fn lists() {
    let domains = compile(&of(Lists { domains: texts(&["example.org", "example.com"]), ..Lists::default() }));
    assert_eq!(domains.decide(&request(Some(&alice()))).verdict, Verdict::Allow);
    let refused = domains.decide(&request(Some(&with_email("a@example.net"))));
    assert_eq!((refused.verdict, refused.allow.reasons), (Verdict::Deny(403), reasons(&["domain-unauthorized"])));

    for (user, passing) in [("alice-id", "user-ok"), ("alice@example.com", "email-ok")] {
        let users = compile(&of(Lists { users: texts(&["zoe", user]), ..Lists::default() }));
        let decision = users.decide(&request(Some(&alice())));
        assert_eq!((decision.verdict, decision.allow.reasons), (Verdict::Allow, reasons(&[passing])));
        assert_eq!(users.decide(&request(None)).verdict, Verdict::SignIn);
    }
    let users = compile(&of(Lists { users: texts(&["zoe"]), ..Lists::default() }));
    let decision = users.decide(&request(Some(&alice())));
    assert_eq!(decision.allow.reasons, reasons(&["email-unauthorized", "user-unauthorized"]));
}

#[test]
fn claims_by_value() {
    let claims = vec![
        ("level".to_owned(), vec![json!(9)]),
        ("groups".to_owned(), vec![json!("owners"), json!("admins")]),
        ("empty".to_owned(), vec![]),
    ];
    let policy = compile(&of(Lists { claims, ..Lists::default() }));
    let decision = policy.decide(&request(Some(&alice())));
    assert_eq!((decision.verdict, decision.allow.reasons), (Verdict::Allow, reasons(&["claim-ok"])));
    let other = Session { claims: Claims::new(), ..alice() };
    assert_eq!(policy.decide(&request(Some(&other))).verdict, Verdict::Deny(403));
    let lines = policy.failing(&request(Some(&other)));
    assert_eq!(
        lines,
        [
            r#"claim/groups has "owners" → claim-unauthorized"#,
            r#"claim/groups has "admins" → claim-unauthorized"#,
            "claim/level has 9 → claim-unauthorized",
        ]
    );
}

#[test]
fn bad_claim_value_has_its_place_in_the_route() {
    let claims = vec![("x".to_owned(), vec![json!("fine"), json!({"hass": 1})])];
    let errors = Policy::compile(&of(Lists { claims, ..Lists::default() }), Some(&json!(1))).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(written(&errors[0].place), "allowed_idp_claims.x.1.hass");
    assert_eq!(errors[0].to_string(), "error generating criterion rules: unknown string list matcher operator: hass");
    assert_eq!(errors[1].to_string(), "invalid rules in policy: unsupported type for rule: parser.Number");
}

#[test]
fn fields_and_policy_are_alternatives() {
    let legacy = of(Lists { domains: texts(&["example.com"]), ..Lists::default() });
    let ppl = document("{allow: {and: [http_method: POST]}, deny: {or: [user: zoe]}}");
    let policy = Policy::compile(&legacy, Some(&ppl)).unwrap();
    assert_eq!(policy.decide(&request(Some(&alice()))).verdict, Verdict::Allow);
    let bob = with_email("bob@example.org");
    let refused = policy.decide(&request(Some(&bob)));
    assert_eq!(refused.allow.reasons, reasons(&["domain-unauthorized", "http-method-unauthorized"]));
    let posting = Facts { method: "POST", ..request(Some(&bob)) };
    assert_eq!(policy.decide(&posting).verdict, Verdict::Allow);
    let zoe = Session { user_id: "zoe".into(), ..alice() };
    assert_eq!(policy.decide(&request(Some(&zoe))).verdict, Verdict::Deny(403));
}

#[test]
fn neither_lets_nobody_pass() {
    assert_eq!(compile(&Legacy::default()), Policy::default());
    let decision = compile(&Legacy::default()).decide(&request(Some(&alice())));
    assert_eq!((decision.verdict, decision.reasons()), (Verdict::Deny(403), Reasons::NONE));
    let unset = Policy::compile(&Legacy::default(), Some(&json!({}))).unwrap();
    assert_eq!(unset.decide(&request(None)).verdict, Verdict::Deny(403));
}

#[test]
fn sub_policies_are_further_alternatives_and_further_denials() {
    let sub = |domain: &str, ppl: Option<&str>| SubPolicy {
        lists: Lists { domains: texts(&[domain]), ..Lists::default() },
        ppl: ppl.map(document),
    };
    let legacy = Legacy {
        lists: Lists { users: texts(&["zoe"]), ..Lists::default() },
        sub_policies: vec![
            sub("example.org", None),
            sub("example.com", Some("{deny: {or: [http_method: POST]}}")),
            SubPolicy { ppl: Some(document("{allow: {and: [claim/level: 3]}}")), ..SubPolicy::default() },
        ],
        ..Legacy::default()
    };
    let policy = Policy::compile(&legacy, Some(&document("{allow: {and: [http_path: /x]}}"))).unwrap();
    let alice = alice();
    let facts = request(Some(&alice));
    let explanation = policy.explain(&facts);
    let places: Vec<String> = explanation.rules.iter().map(|rule| written(rule.place)).collect();
    assert_eq!(places, ["", "allow.and", "sub_policies.2.source_ppl.allow.and", "sub_policies.1.source_ppl.deny.or"]);
    let criteria: Vec<String> = explanation.rules[0].criteria.iter().map(|c| written(c.place)).collect();
    let domains = ["sub_policies.0.allowed_domains", "sub_policies.1.allowed_domains"];
    assert_eq!(criteria, [domains[0], domains[1], "allowed_users", "allowed_users"]);
    assert_eq!(explanation.decision.verdict, Verdict::Allow);
    assert_eq!(explanation.decision.allow.reasons, reasons(&["claim-ok", "domain-ok"]));
    assert_eq!(policy.decide(&Facts { method: "POST", ..facts }).verdict, Verdict::Deny(403));
    let nobody = policy.decide(&request(None));
    assert_eq!(nobody.verdict, Verdict::SignIn);

    let bad = SubPolicy { ppl: Some(json!({"allow": {"or": [{"nonsense": 1}]}})), ..SubPolicy::default() };
    let legacy = Legacy { sub_policies: vec![SubPolicy::default(), bad], ..Legacy::default() };
    let errors = Policy::compile(&legacy, None).unwrap_err();
    assert_eq!(written(&errors[0].place), "sub_policies.1.source_ppl.allow.or.0.nonsense");
}
