//! Reads a PPL document, grammar and criteria in one pass, and reports everything that is wrong with it.

use serde_json::{Map, Value};

use super::criterion::Criterion;
use super::problem::{Problems, type_name};
use super::rule::{Operator, Rule, Written};

/// The rules of a document, by action.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
}

impl Rules {
    /// Adds the rules of `document`: one object of actions, or a list of such objects.
    pub(super) fn read(&mut self, document: &Value, problems: &mut Problems) {
        match document {
            Value::Object(actions) => self.read_actions(actions, problems),
            Value::Array(list) => {
                for (index, element) in list.iter().enumerate() {
                    problems.index(index, |problems| match element {
                        Value::Object(actions) => self.read_actions(actions, problems),
                        _ => note(problems, format_args!("unsupported type for rules array: {}", type_name(element))),
                    });
                }
            }
            _ => note(problems, format_args!("unsupported type for rule: {}", type_name(document))),
        }
    }

    fn read_actions(&mut self, actions: &Map<String, Value>, problems: &mut Problems) {
        for (action, body) in actions {
            problems.key(action, |problems| match action.as_str() {
                "allow" => read_body(&mut self.allow, body, problems),
                "deny" => read_body(&mut self.deny, body, problems),
                _ => note(problems, format_args!("invalid action in rule: unsupported action: {action}")),
            });
        }
    }
}

fn read_body(rules: &mut Vec<Rule>, body: &Value, problems: &mut Problems) {
    let Value::Object(operators) = body else {
        let seen = type_name(body);
        return note(problems, format_args!("invalid value for action in rule, expected Object, got {seen}"));
    };
    for operator in Operator::ALL {
        let Some(list) = operators.get(operator.name()) else { continue };
        rules.extend(problems.key(operator.name(), |problems| {
            let place = problems.place();
            Rule::new(operator, place, read_criteria(operator, list, problems))
        }));
    }
    for name in operators.keys() {
        // `action` is tolerated and means nothing.
        if name != "action" && Operator::ALL.iter().all(|operator| operator.name() != name) {
            let expected = "only and, or, not, nor and action are allowed";
            problems.key(name, |problems| {
                note(problems, format_args!("unsupported conditional \"{name}\", {expected}"));
            });
        }
    }
}

fn read_criteria(operator: Operator, list: &Value, problems: &mut Problems) -> Vec<Written> {
    // The stray parenthesis is in the original.
    let bad_list = |problems: &mut Problems, message: std::fmt::Arguments<'_>| {
        note(problems, format_args!("invalid criteria in \"{}\"): {message}", operator.name()));
    };
    let Value::Array(list) = list else {
        bad_list(problems, format_args!("unsupported type for criteria: {}", type_name(list)));
        return Vec::new();
    };
    let mut criteria = Vec::with_capacity(list.len());
    for (index, element) in list.iter().enumerate() {
        problems.index(index, |problems| match element {
            Value::Object(object) => match one(object) {
                Some((key, data)) => {
                    criteria.extend(problems.key(key, |problems| {
                        let place = problems.place();
                        Criterion::read(key, data, problems).map(|criterion| Written { criterion, place })
                    }));
                }
                None => {
                    bad_list(problems, format_args!("each criteria may only contain a single key and value"));
                }
            },
            _ => bad_list(problems, format_args!("unsupported type for criteria array: {}", type_name(element))),
        });
    }
    criteria
}

/// The only entry of `object`, if it has just one.
fn one(object: &Map<String, Value>) -> Option<(&String, &Value)> {
    let mut entries = object.iter();
    entries.next().filter(|_| entries.next().is_none())
}

fn note(problems: &mut Problems, message: std::fmt::Arguments<'_>) {
    problems.bad_rule::<()>(message);
}
