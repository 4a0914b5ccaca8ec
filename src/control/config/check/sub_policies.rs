//! `sub_policies` of a route: further lists and documents, as consoles write them.

use super::super::problem::Finding;
use super::super::section::{Desk, Section, Typed, mismatch};
use super::super::sections::route;
use super::super::text::tree::{Tree, Value};
use super::access;
use crate::plan::policy::{Lists, SubPolicy};

/// Keys that describe a sub-policy and decide nothing.
const DESCRIPTIONS: [&str; 4] = ["id", "name", "explanation", "remediation"];
const DECIDING: [&str; 5] = ["allowed_users", "allowed_domains", "allowed_idp_claims", "source_ppl", "rego"];

/// The sub-policies; whatever of them errors may point to is added to `documents`.
pub(super) fn read(typed: &Typed<Tree>, documents: &mut Vec<Typed<Tree>>, desk: &Desk) -> Vec<SubPolicy> {
    let Value::List(list) = &typed.value.value else {
        desk.problems.add(mismatch(&typed.with(&typed.value), "a list of sub-policies"));
        return Vec::new();
    };
    let one = |(index, tree): (usize, &Tree)| {
        let path = format!("{}[{index}]", typed.path);
        match &tree.value {
            Value::Map(entries) => sub_policy(&Section::new(entries, path, &tree.spot, desk), documents),
            _ => {
                desk.problems.add(mismatch(&Typed { value: tree, path, spot: tree.spot.clone() }, "a map"));
                SubPolicy::default()
            }
        }
    };
    list.iter().enumerate().map(one).collect()
}

fn sub_policy(section: &Section<'_>, documents: &mut Vec<Typed<Tree>>) -> SubPolicy {
    let desk = section.desk();
    for entry in section.entries() {
        if !DECIDING.iter().chain(&DESCRIPTIONS).any(|known| known.eq_ignore_ascii_case(&entry.key)) {
            let message = format!("unknown config option `{}`; it is ignored", entry.key);
            desk.problems.add(Finding::warning(&entry.spot, section.path_of(&entry.key), message));
        }
    }
    let ppl = section.tree("source_ppl").and_then(|typed| {
        let value = access::document(&typed.with(typed.value.clone()), desk)?;
        Some(typed.with(value))
    });
    let rego = section.tree("rego").filter(|typed| !matches!(&typed.value.value, Value::List(list) if list.is_empty()));
    if let Some(rego) = rego.filter(|_| !section.has("source_ppl")) {
        let message = format!("`{}`: Rego is not evaluated", rego.path);
        desk.problems
            .add(rego.error(message).help("write what it says in Pomerium's policy language, as `source_ppl`"));
    }
    let claims = route::claims(section);
    let texts = |key: &str| section.list(key).iter().flat_map(|t| &t.value).map(|t| t.value.clone()).collect();
    let lists = Lists {
        domains: texts("allowed_domains"),
        claims: claims.as_ref().map(access::claims).unwrap_or_default(),
        users: texts("allowed_users"),
    };
    let json = ppl.as_ref().map(|typed| typed.value.json());
    documents.extend(claims.into_iter().chain(ppl));
    SubPolicy { lists, ppl: json }
}
