//! A report of tests as JSON.

use serde_json::{Value, json};

use super::{Report, Tested};
use crate::control::config::Place;
use crate::control::why::{answer_json, verdict_name};
use crate::plan::policy::Reasons;

/// The whole report as one object.
pub fn report(report: &Report<'_>) -> Value {
    let coverage = &report.coverage;
    let missing = coverage.missing.iter().map(
        |missing| json!({ "route": missing.route, "rule": missing.rule, "place": missing.place.as_ref().map(place) }),
    );
    json!({
        "file": report.file,
        "passed": report.results.len() - report.failed(),
        "failed": report.failed(),
        "cases": report.results.iter().map(tested).collect::<Vec<_>>(),
        "coverage": {
            "routes": coverage.routes,
            "routes_asked": coverage.routes_asked,
            "rules": coverage.rules,
            "rules_held": coverage.rules_held,
            "missing": missing.collect::<Vec<_>>(),
        },
    })
}

fn tested(tested: &Tested<'_>) -> Value {
    let expected = &tested.case.expected;
    let answer = match &tested.outcome {
        super::Outcome::Answered(answer) if !tested.passed() => Some(answer_json(answer)),
        _ => None,
    };
    json!({
        "name": tested.case.name,
        "place": place(&tested.case.place),
        "passed": tested.passed(),
        "expected": {
            "verdict": expected.verdict.name(),
            "status": expected.status,
            "reasons": expected.reasons.map(texts),
        },
        "verdict": verdict_name(tested.verdict()).replace('_', "-"),
        "status": tested.status(),
        "reasons": texts(tested.reasons()),
        "why": answer,
    })
}

fn texts(reasons: Reasons) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.as_str()).collect()
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line, "column": place.column })
}
