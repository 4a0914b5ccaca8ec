//! The rules of a route as they stand in the configuration, each criterion with its place. What the policy makes of
//! them is `plan::policy`'s to say; this is for talking about them.

use super::problem::Spot;
use super::section::Typed;
use super::sections::route::Access;
use super::text::tree::{Entry, Tree, Value};
use crate::plan::policy::{Action, Operator};

/// One operator with its criteria.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) operator: Operator,
    /// Empty when an empty list was written, which makes no rule.
    pub(super) criteria: Vec<Criterion>,
    /// The operator's key; for the legacy fields, the first of them.
    pub(super) spot: Spot,
    /// `routes[0].policy[1].allow.or`; for the legacy fields, the route.
    pub(super) path: String,
}

/// One criterion as written: a legacy field is written as the criterion that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Criterion {
    /// The name, and a sub path behind the first `/`.
    pub(super) key: String,
    pub(super) data: Tree,
    pub(super) spot: Spot,
    pub(super) path: String,
}

impl Criterion {
    /// What stands before the first `/` of the key.
    pub(super) fn name(&self) -> &str {
        self.key.split('/').next().unwrap_or_default()
    }

    /// The operators of its matcher with their data. A value without an operator stands under `plain`.
    pub(super) fn tests<'a>(&'a self, plain: &'a str) -> Vec<(&'a str, &'a Tree)> {
        match &self.data.value {
            Value::Map(entries) => entries.iter().map(|entry| (&*entry.key, &entry.value)).collect(),
            _ => vec![(plain, &self.data)],
        }
    }
}

/// The rules of `section` in the order in which they are compiled: the legacy fields, then the `document` of `policy`.
/// What has not the right shape is left out; compiling reports it.
pub(super) fn rules(section: &Access, document: Option<&Tree>, route: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = legacy(section, route).into_iter().collect();
    let path = section.policy.as_ref().map_or("policy", |typed| &typed.path);
    match document.map(|tree| &tree.value) {
        Some(Value::Map(actions)) => of_actions(actions, path, &mut rules),
        Some(Value::List(list)) => {
            for (index, tree) in list.iter().enumerate() {
                let Value::Map(actions) = &tree.value else { continue };
                of_actions(actions, &format!("{path}[{index}]"), &mut rules);
            }
        }
        _ => {}
    }
    rules
}

fn of_actions(actions: &[Entry], path: &str, rules: &mut Vec<Rule>) {
    for action in [Action::Allow, Action::Deny] {
        let Some(entry) = actions.iter().find(|entry| entry.key == action.name()) else { continue };
        let Value::Map(body) = &entry.value.value else { continue };
        for operator in Operator::ALL {
            let Some(entry) = body.iter().find(|entry| entry.key == operator.name()) else { continue };
            let Value::List(list) = &entry.value.value else { continue };
            let path = format!("{path}.{}.{}", action.name(), operator.name());
            let criteria = list.iter().enumerate().filter_map(|(index, tree)| of_list(tree, &path, index)).collect();
            rules.push(Rule { action, operator, criteria, spot: entry.spot.clone(), path });
        }
    }
}

fn of_list(tree: &Tree, path: &str, index: usize) -> Option<Criterion> {
    let Value::Map(entries) = &tree.value else { return None };
    let [entry] = entries.as_slice() else { return None };
    let path = format!("{path}[{index}].{}", entry.key);
    Some(Criterion { key: entry.key.clone(), data: entry.value.clone(), spot: entry.spot.clone(), path })
}

/// The fields that routes had before the policy language, as one rule.
fn legacy(section: &Access, route: &str) -> Option<Rule> {
    let mut criteria = Vec::new();
    let mut add = |key: &str, data: Tree, path: &str| {
        criteria.push(Criterion { key: key.to_owned(), spot: data.spot.clone(), data, path: path.to_owned() });
    };
    for (flag, key) in [
        (&section.public, "accept"),
        (&section.cors_preflight, "cors_preflight"),
        (&section.any_authenticated_user, "authenticated_user"),
    ] {
        if let Some(typed) = flag.as_ref().filter(|typed| typed.value) {
            add(key, Tree { spot: typed.spot.clone(), value: Value::Bool(true) }, &typed.path);
        }
    }
    let text = |typed: &Typed<String>| Tree::text(typed.value.clone(), typed.spot.clone());
    for typed in section.domains.iter().flat_map(|list| &list.value) {
        add("domain", text(typed), &typed.path);
    }
    if let Some(Typed { value: Tree { value: Value::Map(claims), .. }, path, .. }) = &section.claims {
        for entry in claims {
            let path = format!("{path}.{}", entry.key);
            for value in one_or_many(&entry.value) {
                add(&format!("claim/{}", entry.key), value.clone(), &path);
            }
        }
    }
    for typed in section.users.iter().flat_map(|list| &list.value) {
        add("user", text(typed), &typed.path);
        add("email", text(typed), &typed.path);
    }
    let spot = criteria.first()?.spot.clone();
    Some(Rule { action: Action::Allow, operator: Operator::Or, criteria, spot, path: route.to_owned() })
}

fn one_or_many(tree: &Tree) -> &[Tree] {
    match &tree.value {
        Value::List(list) => list,
        Value::Null => &[],
        _ => std::slice::from_ref(tree),
    }
}
