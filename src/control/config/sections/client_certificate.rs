//! What is asked of clients' certificates, as typed: `downstream_mtls`.

use super::super::problem::Spot;
use super::super::section::{Choice, Opt, Section, Typed, mismatch};
use super::super::text::tree::{Entry, Tree, Value};
use super::catalogue;

#[derive(Debug, Default)]
pub(in super::super) struct ClientCertificates {
    /// `downstream_mtls`, when it says anything.
    pub(in super::super) whole: Opt<()>,
    pub(in super::super) ca: Choice,
    pub(in super::super) crl: Choice,
    pub(in super::super) enforcement: Opt<String>,
    /// `match_subject_alt_names`: kind and pattern of each entry; `None`: it is not one kind and its pattern.
    pub(in super::super) names: Vec<Typed<Option<(String, String)>>>,
    pub(in super::super) max_verify_depth: Opt<u64>,
}

pub(super) fn read(section: &Section<'_>) -> ClientCertificates {
    let Some(typed) = section.tree("downstream_mtls") else { return ClientCertificates::default() };
    let Value::Map(entries) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, "a map with `ca` or `ca_file`"));
        return ClientCertificates::default();
    };
    let inner = Section::new(entries, typed.path.clone(), &Spot::default(), section.desk());
    catalogue::review(&inner, catalogue::downstream_mtls());
    ClientCertificates {
        whole: (!entries.is_empty()).then(|| typed.with(())),
        ca: inner.choice("ca"),
        crl: inner.choice("crl"),
        enforcement: inner.text("enforcement"),
        names: names(&inner),
        max_verify_depth: inner.whole("max_verify_depth", 0..=u64::from(u32::MAX)),
    }
}

/// A list of maps of one entry each, or one as JSON.
fn names(section: &Section<'_>) -> Vec<Typed<Option<(String, String)>>> {
    let Some(typed) = section.tree("match_subject_alt_names") else { return Vec::new() };
    let parsed = match &typed.value.value {
        Value::Text(text) => super::super::text::parse_at(text, &typed.spot, &section.desk().problems).ok(),
        _ => None,
    };
    let tree = parsed.as_ref().unwrap_or(typed.value);
    let Value::List(list) = &tree.value else {
        section.desk().problems.add(mismatch(&typed, "a list of {type: pattern}"));
        return Vec::new();
    };
    let one = |(index, tree): (usize, &Tree)| Typed {
        value: pair(tree),
        path: format!("{}[{index}]", typed.path),
        spot: if tree.spot.is_known() { tree.spot.clone() } else { typed.spot.clone() },
    };
    list.iter().enumerate().map(one).collect()
}

fn pair(tree: &Tree) -> Option<(String, String)> {
    match &tree.value {
        Value::Map(entries) => match entries.as_slice() {
            [Entry { key, value, .. }] => Some((key.clone(), value.scalar()?)),
            _ => None,
        },
        _ => None,
    }
}
