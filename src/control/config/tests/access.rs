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
