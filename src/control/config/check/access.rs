//! Who may pass: the legacy fields and the policy document of a route.

use super::super::lint::{self, Lint, advice};
use super::super::problem::{Finding, Spot};
use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::Access as Section;
use super::super::text::{
    self,
    tree::{Tree, Value},
};
use super::super::written;
use super::listener::on;
use crate::plan::client_certificate::{Enforcement, Terms};
use crate::plan::policy::{Legacy, Policy, PolicyError, Step};

/// The compiled policy; problems are collected.
pub(super) fn policy(section: &Section, route: &Typed<()>, terms: Option<&Terms>, desk: &Desk) -> Option<Policy> {
    whitelists(section, desk);
    let mut legacy = legacy(section);
    if section.policy.is_none() && legacy == Legacy::default() {
        let message = "the route has no policy: nobody may pass";
        let help = "add a `policy`, or `allow_any_authenticated_user: true`";
        desk.problems.add(Finding::lint(Lint::NoPolicy, &route.spot, &route.path, message).help(help));
    }
    legacy.needs_certificate = terms.is_some_and(|terms| terms.enforcement() != Enforcement::Policy);
    let mut documents = Vec::new();
    if let Some(typed) = &section.policy {
        documents.push(Typed { value: document(typed, desk)?, path: typed.path.clone(), spot: typed.spot.clone() });
    }
    let rules = written::rules(section, documents.first().map(|document| &document.value), &route.path);
    let json = documents.first().map(|document| document.value.json());
    documents.extend(section.claims.clone());
    let compiled = Policy::compile(&legacy, json.as_ref());
    lint::review(&rules, compiled.is_ok(), desk);
    match compiled {
        Ok(policy) => Some(policy),
        Err(errors) => {
            for error in errors {
                report(&error, route, &documents, desk);
            }
            None
        }
    }
}

fn legacy(section: &Section) -> Legacy {
    let texts = |list: &Opt<Vec<Typed<String>>>| list.iter().flat_map(|t| &t.value).map(|t| t.value.clone()).collect();
    Legacy {
        public: on(&section.public, false),
        cors_preflight: on(&section.cors_preflight, false),
        any_authenticated_user: on(&section.any_authenticated_user, false),
        domains: texts(&section.domains),
        claims: section.claims.as_ref().map(claims).unwrap_or_default(),
        users: texts(&section.users),
        needs_certificate: false,
    }
}

/// Claim to accepted values; one value may stand without a list.
fn claims(typed: &Typed<Tree>) -> Vec<(String, Vec<serde_json::Value>)> {
    let Value::Map(entries) = &typed.value.value else { return Vec::new() };
    let values = |tree: &Tree| match tree.json() {
        serde_json::Value::Array(list) => list,
        serde_json::Value::Null => Vec::new(),
        value => vec![value],
    };
    entries.iter().map(|entry| (entry.key.clone(), values(&entry.value))).collect()
}

fn whitelists(section: &Section, desk: &Desk) {
    let filled = |list: &Opt<Vec<Typed<String>>>| list.as_ref().is_some_and(|t| !t.value.is_empty());
    let lists = filled(&section.domains) || filled(&section.users);
    let any_user = on(&section.any_authenticated_user, false);
    if let Some(typed) = section.public.as_ref().filter(|typed| typed.value && (lists || any_user)) {
        let finding = typed.error("config: policy route marked as public but contains whitelists");
        desk.problems.add(finding.help("remove it, or remove what names people beside it"));
    }
    if let Some(typed) = section.any_authenticated_user.as_ref().filter(|typed| typed.value && lists) {
        let message = "config: policy route marked accessible for any authenticated user but contains whitelists";
        desk.problems.add(typed.error(message).help("remove it, or remove `allowed_domains` and `allowed_users`"));
    }
}

/// The policy document; a string is read as YAML of its own.
fn document(typed: &Typed<Tree>, desk: &Desk) -> Option<Tree> {
    let Value::Text(text) = &typed.value.value else { return Some(typed.value.clone()) };
    match text::parse_at(text, &typed.spot, &desk.problems) {
        Ok(tree) => Some(tree),
        Err(error) => {
            desk.problems.add(typed.error(format!("config: failed to parse policy: {error}")));
            None
        }
    }
}

/// The place of an error begins with a key of the route.
fn report(error: &PolicyError, route: &Typed<()>, documents: &[Typed<Tree>], desk: &Desk) {
    let mut path = route.path.clone();
    let mut spot = route.spot.clone();
    let mut tree = None;
    for step in &error.place {
        match step {
            Step::Key(key) => path.push_str(&format!(".{key}")),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
        let document = documents.iter().find(|document| document.path == path);
        if let Some(document) = document {
            spot = document.spot.clone();
        }
        tree = document.map(|document| &document.value).or_else(|| descend(tree?, step, &mut spot));
    }
    let typed = Typed { value: (), path, spot };
    let finding = typed.error(format!("config: failed to parse policy: {}", error.message));
    let help = advice::help(&error.message, &place(&error.place, tree));
    desk.problems.add(match help {
        Some(help) => finding.help(help),
        None => finding,
    });
}

/// What stands around an error: its key, and the criterion that it is in.
fn place<'a>(steps: &'a [Step], tree: Option<&'a Tree>) -> advice::Place<'a> {
    let key = |step: &'a Step| match step {
        Step::Key(key) => Some(&**key),
        Step::Index(_) => None,
    };
    let criterion = steps.windows(3).find_map(|steps| match steps {
        [Step::Key(operator), Step::Index(_), Step::Key(criterion)] if operator != "policy" => Some(&**criterion),
        _ => None,
    });
    advice::Place { key: steps.last().and_then(key), criterion, tree }
}

/// One step down; `spot` becomes the place of the key or element.
fn descend<'a>(tree: &'a Tree, step: &Step, spot: &mut Spot) -> Option<&'a Tree> {
    match (&tree.value, step) {
        (Value::Map(entries), Step::Key(key)) => {
            let entry = entries.iter().find(|e| e.key == *key)?;
            *spot = entry.spot.clone();
            Some(&entry.value)
        }
        (Value::List(list), Step::Index(index)) => {
            let element = list.get(*index)?;
            *spot = element.spot.clone();
            Some(element)
        }
        _ => None,
    }
}
