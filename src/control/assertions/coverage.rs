//! What no case exercised.

use super::{Outcome, Tested};
use crate::control::config::{Place, Places};
use crate::plan::Plan;

/// Routes that no case asked for, and rules that held in no case.
#[derive(Debug, Default, PartialEq)]
pub struct Coverage {
    pub routes: usize,
    pub routes_asked: usize,
    pub rules: usize,
    pub rules_held: usize,
    pub missing: Vec<Missing>,
}

/// One of them.
#[derive(Debug, PartialEq)]
pub struct Missing {
    /// The route's name.
    pub route: String,
    /// `allow.or`; `None`: the whole route.
    pub rule: Option<String>,
    pub place: Option<Place>,
}

impl Coverage {
    pub fn new(plan: &Plan, places: &Places, results: &[Tested<'_>]) -> Coverage {
        let mut coverage = Coverage { routes: plan.routes.len(), ..Coverage::default() };
        for route in plan.routes.iter() {
            let rules = route.policy.explain(&Default::default()).rules;
            coverage.rules += rules.len();
            let answers: Vec<_> = results
                .iter()
                .filter_map(|tested| match &tested.outcome {
                    Outcome::Answered(answer) if answer.route.index == route.index => Some(answer),
                    _ => None,
                })
                .collect();
            if answers.is_empty() {
                let place = places.route(route.index);
                coverage.missing.push(Missing { route: route.name.to_string(), rule: None, place });
                continue;
            }
            coverage.routes_asked += 1;
            for (at, rule) in rules.iter().enumerate() {
                let held = answers.iter().any(|answer| answer.explanation.rules[at].outcome.value);
                if held {
                    coverage.rules_held += 1;
                    continue;
                }
                let name = format!("{}.{}", rule.action.name(), rule.operator.name());
                let place = places.within(route.index, rule.place);
                coverage.missing.push(Missing { route: route.name.to_string(), rule: Some(name), place });
            }
        }
        coverage
    }
}
