//! The environment over the file: each known key may be given as a variable, `VALLUM_`-prefixed or not.

use std::collections::BTreeMap;

use super::catalogue;
use super::problem::{Finding, Spot};
use super::section::Desk;
use super::text::tree::{Entry, Tree, Value};

/// The process's environment, or what stands for it in a test.
pub type Environment = BTreeMap<String, String>;

/// Variables of this prefix win over those without.
const PREFIX: &str = "VALLUM_";

/// Puts every variable that names a known key over the file's entries. An empty variable counts as unset, as it does
/// for Pomerium.
pub(super) fn overlay(mut entries: Vec<Entry>, env: &Environment, desk: &Desk) -> Vec<Entry> {
    for key in catalogue::global() {
        // `HEADERS` is read on its own; other releases' keys are not worth a variable.
        if matches!(key.state, catalogue::State::Old) {
            continue;
        }
        if let Some((variable, value)) = lookup(env, key.name) {
            let spot = Spot::variable(variable);
            put(&mut entries, key.name, Tree::text(value, spot.clone()), &spot);
        }
    }
    misspelt(env, desk);
    entries
}

/// The variable for a key, and its value.
pub(super) fn lookup<'a>(env: &'a Environment, key: &str) -> Option<(&'a str, &'a str)> {
    let plain = key.replace('.', "_").to_ascii_uppercase();
    [format!("{PREFIX}{plain}"), plain].iter().find_map(|name| {
        let (name, value) = env.get_key_value(name)?;
        (!value.is_empty()).then_some((name.as_str(), value.as_str()))
    })
}

/// Replaces or adds an entry; a dot in the key stands for a nested map.
fn put(entries: &mut Vec<Entry>, key: &str, tree: Tree, spot: &Spot) {
    let (top, rest) = match key.split_once('.') {
        Some((top, rest)) => (top, Some(rest)),
        None => (key, None),
    };
    let index = entries.iter().position(|e| e.key.eq_ignore_ascii_case(top)).unwrap_or_else(|| {
        let value = Tree { spot: spot.clone(), value: Value::Null };
        entries.push(Entry { key: top.to_owned(), spot: spot.clone(), value });
        entries.len() - 1
    });
    let entry = &mut entries[index];
    match (rest, &mut entry.value.value) {
        (Some(rest), Value::Map(nested)) => put(nested, rest, tree, spot),
        (Some(rest), _) => {
            let mut nested = Vec::new();
            put(&mut nested, rest, tree, spot);
            entry.value = Tree { spot: spot.clone(), value: Value::Map(nested) };
        }
        (None, _) => *entry = Entry { key: top.to_owned(), spot: spot.clone(), value: tree },
    }
}

/// A variable with our prefix that is nearly, but not quite, a known key.
fn misspelt(env: &Environment, desk: &Desk) {
    for variable in env.keys() {
        let Some(key) = variable.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        let known = key == "headers" || catalogue::global().any(|k| k.name.replace('.', "_") == key);
        if known {
            continue;
        }
        if let Some(nearest) = catalogue::nearest(&key, catalogue::global()) {
            let message = format!("unknown environment variable `{variable}`; it is ignored");
            let meant = format!("did you mean `{PREFIX}{}`?", nearest.replace('.', "_").to_ascii_uppercase());
            desk.problems.add(Finding::warning(&Spot::variable(variable), key, message).help(meant));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn overlaid(file: &str, pairs: &[(&str, &str)]) -> String {
        let desk = Desk::default();
        let tree = super::super::text::parse(file, &desk.problems).unwrap();
        let entries = if let Value::Map(entries) = tree.value { entries } else { Vec::new() };
        let entries = overlay(entries, &env(pairs), &desk);
        Tree { spot: Spot::default(), value: Value::Map(entries) }.json().to_string()
    }

    #[test]
    fn variables_win_over_the_file_and_prefixed_ones_over_plain_ones() {
        for (file, pairs, expected) in [
            ("address: a", &[("ADDRESS", "b")][..], r#"{"address":"b"}"#),
            ("Address: a", &[("ADDRESS", "b"), ("VALLUM_ADDRESS", "c")], r#"{"address":"c"}"#),
            ("address: a", &[("ADDRESS", ""), ("address", "x")], r#"{"address":"a"}"#),
            ("", &[("COOKIE_NAME", "n"), ("UNRELATED", "x")], r#"{"cookie_name":"n"}"#),
            (
                "downstream_mtls: {ca: x, crl: y}",
                &[("DOWNSTREAM_MTLS_CA", "z")],
                r#"{"downstream_mtls":{"ca":"z","crl":"y"}}"#,
            ),
            ("", &[("DOWNSTREAM_MTLS_CA", "z")], r#"{"downstream_mtls":{"ca":"z"}}"#),
            ("downstream_mtls: 5", &[("DOWNSTREAM_MTLS_CA", "z")], r#"{"downstream_mtls":{"ca":"z"}}"#),
        ] {
            assert_eq!(overlaid(file, pairs), expected, "{file} {pairs:?}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_named() {
        let desk = Desk::default();
        overlay(Vec::new(), &env(&[("VALLUM_ADRESS", "x"), ("VALLUM_STATE_DIRECTORY", "x"), ("ADRESS", "x")]), &desk);
        let problems = desk.problems.finish(None, "");
        assert_eq!(problems.list.len(), 1);
        assert_eq!(problems.list[0].variable.as_deref(), Some("VALLUM_ADRESS"));
        assert_eq!(problems.list[0].help.as_deref(), Some("did you mean `VALLUM_ADDRESS`?"));
    }
}
