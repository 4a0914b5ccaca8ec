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
use super::sub_policies;
use crate::plan::client_certificate::{Enforcement, Terms};
use crate::plan::policy::{Legacy, Lists, Policy, PolicyError, Step};

/// The compiled policy; problems are collected.
pub(super) fn policy(section: &Section, route: &Typed<()>, terms: Option<&Terms>, desk: &Desk) -> Option<Policy> {
    let mut documents = Vec::new();
    let mut legacy = legacy(section, &mut documents, desk);
    whitelists(section, &legacy, desk);
    if section.policy.is_none() && legacy == Legacy::default() {
        let message = "the route has no policy: nobody may pass";
        let help = "add a `policy`, or `allow_any_authenticated_user: true`";
        desk.problems.add(Finding::lint(Lint::NoPolicy, &route.spot, &route.path, message).help(help));
    }
    legacy.needs_certificate = terms.is_some_and(|terms| terms.enforcement() != Enforcement::Policy);
    let document = match &section.policy {
        None => None,
        Some(typed) => Some(typed.with(document(typed, desk)?)),
    };
    let rules = written::rules(section, document.as_ref().map(|document| &document.value), &route.path);
    let json = document.as_ref().map(|document| document.value.json());
    documents.extend(section.claims.clone().into_iter().chain(document));
    let compiled = Policy::compile(&legacy, json.as_ref());
    // With sub-policies, these rules are not all there are.
    let is_whole = compiled.is_ok() && section.sub_policies.is_none();
    lint::review(&rules, is_whole, desk);
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

fn legacy(section: &Section, documents: &mut Vec<Typed<Tree>>, desk: &Desk) -> Legacy {
    let texts = |list: &Opt<Vec<Typed<String>>>| list.iter().flat_map(|t| &t.value).map(|t| t.value.clone()).collect();
    Legacy {
        public: on(&section.public, false),
        cors_preflight: on(&section.cors_preflight, false),
        any_authenticated_user: on(&section.any_authenticated_user, false),
        lists: Lists {
            domains: texts(&section.domains),
            claims: section.claims.as_ref().map(claims).unwrap_or_default(),
            users: texts(&section.users),
        },
        sub_policies: section
            .sub_policies
            .as_ref()
            .map(|typed| sub_policies::read(typed, documents, desk))
            .unwrap_or_default(),
        needs_certificate: false,
    }
}

/// Claim to accepted values; one value may stand without a list.
pub(super) fn claims(typed: &Typed<Tree>) -> Vec<(String, Vec<serde_json::Value>)> {
    let Value::Map(entries) = &typed.value.value else { return Vec::new() };
    let values = |tree: &Tree| match tree.json() {
        serde_json::Value::Array(list) => list,
        serde_json::Value::Null => Vec::new(),
        value => vec![value],
    };
    entries.iter().map(|entry| (entry.key.clone(), values(&entry.value))).collect()
}

fn whitelists(section: &Section, legacy: &Legacy, desk: &Desk) {
    let mut lists = legacy.sub_policies.iter().map(|sub_policy| &sub_policy.lists).chain([&legacy.lists]);
    let lists = lists.any(|lists| !lists.domains.is_empty() || !lists.users.is_empty());
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
pub(super) fn document(typed: &Typed<Tree>, desk: &Desk) -> Option<Tree> {
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
