//! What the tests of the policy language share: policies from YAML, people, requests.

mod certificates;
mod criteria;
mod errors;
mod explanations;
mod legacy;
mod naive;
mod operators;
mod people;
mod procedure;
mod random;
mod requests;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{Facts, Legacy, Policy, Reason, Reasons, Step};
use crate::plan::client_certificate::{Leaf, Names, Standing};
use crate::plan::session::{Claims, Device, Enrollment, Session};

fn document(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"))
}

fn policy(yaml: &str) -> Policy {
    Policy::compile(&Legacy::default(), Some(&document(yaml))).unwrap_or_else(|e| panic!("{yaml}: {e:?}"))
}

/// The errors of a policy, each with its place written as `allow.and.0`.
fn errors(yaml: &str) -> Vec<(String, String)> {
    let errors = Policy::compile(&Legacy::default(), Some(&document(yaml))).unwrap_err();
    errors.into_iter().map(|e| (written(&e.place), e.message)).collect()
}

/// `policy`, where every document stands, is left out.
fn written(place: &[Step]) -> String {
    let steps: Vec<String> = place
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    let place = steps.join(".");
    place.strip_prefix("policy").map(|below| below.trim_start_matches('.').to_owned()).unwrap_or(place)
}

fn reasons(texts: &[&str]) -> Reasons {
    let reason = |text: &&str| Reason::ALL.into_iter().find(|r| r.as_str() == *text).unwrap();
    texts.iter().map(reason).collect()
}

fn claims(object: Value) -> Claims {
    serde_json::from_value(object).unwrap()
}

fn alice() -> Session {
    Session {
        id: "session-1".into(),
        user_id: "alice-id".into(),
        email: "alice@example.com".into(),
        groups: vec!["admins".into(), "staff".into()],
        claims: claims(json!({
            "family_name": ["Smith"],
            "groups": ["admins", "staff"],
            "level": [3],
            "verified": [true],
            "nothing": [null],
            "both": ["of session"],
            "emptied": ["of session"],
            "example.com/key": ["exact"],
            "example": [{"com": {"key": ["nested"], "one": "single"}}],
            "a": [{"b": {"c": {"d": {"e": ["five"], "x": {"f": ["six"]}}}}}],
            "two": [{"x": ["first"]}, {"x": ["second"]}],
        })),
        user_claims: claims(json!({ "both": ["of user"], "emptied": [], "only": ["user"] })),
        ..Session::default()
    }
}

fn with_email(email: &str) -> Session {
    Session { email: email.into(), ..alice() }
}

/// A plain GET for `/` from 10.1.2.3.
fn request(session: Option<&Session>) -> Facts<'_> {
    Facts { session, source: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), ..Facts::default() }
}

/// Judges one criterion alone, as `allow.and`.
fn judge(criterion: &str, facts: &Facts<'_>) -> (bool, String) {
    let outcome = policy(&format!("{{allow: {{and: [{{{criterion}}}]}}}}")).decide(facts).allow;
    let reasons: Vec<&str> = outcome.reasons.iter().map(Reason::as_str).collect();
    assert_eq!(reasons.len(), 1, "{criterion}");
    (outcome.value, reasons[0].to_owned())
}

fn check(criterion: &str, facts: &Facts<'_>, value: bool, reason: &str) {
    assert_eq!(judge(criterion, facts), (value, reason.to_owned()), "{criterion} {facts:?}");
}
