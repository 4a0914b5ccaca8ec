//! Policies and the legacy fields.

use super::*;

fn private(more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    format!("routes:\n  - from: https://a.example\n    to: http://127.0.0.1:1\n{more}")
}

#[test]
fn contradicting_fields_are_errors() {
    let public = "config: policy route marked as public but contains whitelists";
    let any = "config: policy route marked accessible for any authenticated user but contains whitelists";
    for (text, error) in [
        ("allow_public_unauthenticated_access: true\nallowed_users: [a]", public),
        ("allow_public_unauthenticated_access: true\nallowed_domains: a.example", public),
        ("allow_public_unauthenticated_access: true\nallow_any_authenticated_user: true", public),
        ("allow_any_authenticated_user: true\nallowed_domains: [a]", any),
        ("allow_any_authenticated_user: true\nsub_policies: [{}, {allowed_users: [a]}]", any),
    ] {
        assert_eq!(errors(&private(text)), [error], "{text}");
    }
}

#[test]
fn errors_of_a_policy_have_their_place() {
    let text = "policy:\n  - allow:\n      or:\n        - email: {is: a@b.example}\n        - no_such: 1\n";
    let problems = problems(&private(text));
    let error = &problems[0];
    assert_eq!(error.message, "config: failed to parse policy: unknown policy criterion: no_such");
    assert_eq!(error.place.as_ref().unwrap().line, 11);
    assert!(error.key.starts_with("routes[0].policy[0].allow.or[1]"), "{}", error.key);
}

#[test]
fn a_policy_may_be_a_string_of_its_own() {
    let text = "policy: |\n  - allow:\n      or:\n        - accept: true\n";
    assert!(!plan(&private(text)).routes.iter().next().unwrap().policy.needs_session());
    let errors = errors(&private("policy: '[{'"));
    assert!(errors[0].starts_with("config: failed to parse policy: "), "{errors:?}");
}

#[test]
fn a_route_without_a_policy_warns() {
    assert_eq!(warnings(&private("")), ["the route has no policy: nobody may pass"]);
    let claims = "allowed_idp_claims: {groups: [a, b], level: 5}";
    assert!(plan(&private(claims)).routes.iter().next().unwrap().policy.needs_session());
    assert_eq!(errors(&private("allowed_idp_claims: 5")).len(), 1);
}

#[test]
fn sub_policies_stand_beside_the_policy() {
    let good = "sub_policies:\n- {id: a, name: b, allowed_users: [x], explanation: y, rego: []}\n\
                - {source_ppl: 'allow: {or: [accept: true]}', rego: [x]}\n- {source_ppl: {deny: {or: [http_path: /]}}}\n";
    assert!(plan(&private(good)).routes.iter().next().unwrap().policy.needs_session());
    let policy = "config: failed to parse policy:";
    for (text, error, key) in [
        ("5", "`routes[0].sub_policies`: expected a list of sub-policies, found a number", "routes[0].sub_policies"),
        ("[5]", "`routes[0].sub_policies[0]`: expected a map, found a number", "routes[0].sub_policies[0]"),
        ("[{rego: [x]}]", "`routes[0].sub_policies[0].rego`: Rego is not evaluated", "routes[0].sub_policies[0].rego"),
        (
            "[{}, {source_ppl: '{allow: {or: [nonsense: 1]}}'}]",
            &format!("{policy} unknown policy criterion: nonsense"),
            "routes[0].sub_policies[1].source_ppl.allow.or[0].nonsense",
        ),
        (
            "[{allowed_idp_claims: {x: {hass: 1}}}]",
            &format!("{policy} error generating criterion rules: unknown string list matcher operator: hass"),
            "routes[0].sub_policies[0].allowed_idp_claims.x[0].hass",
        ),
    ] {
        let problems = problems(&private(&format!("sub_policies: {text}")));
        let found = problems.iter().find(|problem| problem.message == error);
        assert_eq!(found.map(|problem| &*problem.key), Some(key), "{text}: {problems:?}");
        assert!(found.is_some_and(|problem| problem.place.as_ref().is_some_and(|place| place.line == 7)), "{text}");
    }
    let unknown = warnings(&private("sub_policies: [{allowed_users: [x], alowed_users: [y]}]"));
    assert_eq!(unknown[0], "unknown config option `alowed_users`; it is ignored");
}
