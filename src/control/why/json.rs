//! An answer as JSON for a program.

use serde_json::{Value, json};

use super::answer::{Answer, verdict_name};
use super::log::Logged;
use super::text::Mark;
use crate::control::config::Place;
use crate::plan::policy::{Action, CriterionResult, Decision, Outcome, RuleResult};

/// The whole answer as one object.
pub fn answer(answer: &Answer<'_>) -> Value {
    let case = &answer.case;
    json!({
        "verdict": verdict_name(answer.verdict()),
        "status": answer.status(),
        "reasons": answer.reasons(),
        "route": route(answer),
        "request": {
            "who": case.session.as_ref().map(|session| json!({ "user": session.user_id, "email": session.email })),
            "method": case.method,
            "path": case.path,
            "ip": case.source.to_string(),
            "time": case.now,
        },
        "allow": action(answer, Action::Allow, answer.explanation.decision.allow),
        "deny": action(answer, Action::Deny, answer.explanation.decision.deny),
        "changes": answer.changes.iter().map(|change| {
            change.edits.iter().map(super::change::Edit::words).collect::<Vec<_>>()
        }).collect::<Vec<_>>(),
        "notes": answer.notes,
    })
}

/// What a logged decision says.
pub fn logged(logged: &Logged<'_>) -> Value {
    let Decision { verdict, .. } = logged.decision;
    let criterion = |(action, result): (Action, &CriterionResult<'_>)| {
        let value = match logged.mark(action, result) {
            Mark::Holds => Some(true),
            Mark::Fails => Some(false),
            Mark::Unknown => None,
        };
        json!({ "action": action.name(), "criterion": result.criterion.to_string(), "value": value })
    };
    let rules = logged.answer.iter().flat_map(|answer| &answer.explanation.rules);
    let criteria = rules.flat_map(|rule| rule.criteria.iter().map(move |result| (rule.action, result)));
    json!({
        "verdict": verdict_name(verdict),
        "status": super::answer::status(verdict),
        "reasons": logged.decision.reasons().iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
        "request_id": logged.line.request_id,
        "route": logged.answer.as_ref().map(route),
        "criteria": criteria.map(criterion).collect::<Vec<_>>(),
        "notes": logged.notes(),
    })
}

fn route(answer: &Answer<'_>) -> Value {
    let route = answer.route;
    json!({
        "name": route.name,
        "id": route.id.to_string(),
        "index": route.index,
        "from": route.from.url,
        "place": answer.route_place().as_ref().map(place),
    })
}

fn action(answer: &Answer<'_>, action: Action, outcome: Outcome) -> Value {
    let rules = answer.explanation.rules.iter().filter(|rule| rule.action == action);
    json!({
        "value": outcome.value,
        "reasons": outcome.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
        "rules": rules.map(|result| rule(answer, result)).collect::<Vec<_>>(),
    })
}

fn rule(answer: &Answer<'_>, rule: &RuleResult<'_>) -> Value {
    let criterion = |result: &CriterionResult<'_>| {
        json!({
            "criterion": result.criterion.to_string(),
            "value": result.value,
            "reason": result.reason.as_str(),
            "decisive": result.is_decisive,
            "place": answer.place(result.place).as_ref().map(place),
        })
    };
    json!({
        "operator": rule.operator.name(),
        "value": rule.outcome.value,
        "reasons": rule.outcome.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
        "place": answer.place(rule.place).as_ref().map(place),
        "criteria": rule.criteria.iter().map(criterion).collect::<Vec<_>>(),
    })
}

fn place(place: &Place) -> Value {
    json!({ "file": place.file, "line": place.line, "column": place.column })
}
