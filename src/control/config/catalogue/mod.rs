//! Every key that a configuration may hold, and what this version does with it.

mod global;
mod route;

use super::problem::Finding;
use super::section::{Desk, Section};
use super::text::tree::{Tree, Value};

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) state: State,
}

/// What this version does with a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    /// Acts on it.
    Used,
    /// Does not act on it yet, and nothing is less safe for it: a warning. The values listed change nothing.
    Later(&'static [&'static str]),
    /// Does not act on it yet, and going on would be dangerous or serve something else: an error, except for the values
    /// listed.
    Refused(&'static [&'static str]),
    /// Pomerium itself no longer knows it: a warning.
    Old,
    /// Pomerium refuses to start with it: an error. The text says what to write instead.
    Removed(&'static str),
}

const fn used(name: &'static str) -> Key {
    Key { name, state: State::Used }
}

const fn later(name: &'static str) -> Key {
    Key { name, state: State::Later(&["false"]) }
}

const fn refused(name: &'static str) -> Key {
    Key { name, state: State::Refused(&["false"]) }
}

const fn old(name: &'static str) -> Key {
    Key { name, state: State::Old }
}

const fn removed(name: &'static str, instead: &'static str) -> Key {
    Key { name, state: State::Removed(instead) }
}

/// Keys at the top of the file. A dot stands for a nested map.
pub(super) fn global() -> impl Iterator<Item = &'static Key> + Clone {
    global::KEYS.iter()
}

/// Keys of `downstream_mtls`.
pub(super) fn downstream_mtls() -> impl Iterator<Item = &'static Key> + Clone {
    global::DOWNSTREAM_MTLS.iter()
}

/// Keys of an entry of `routes` or `policy`.
pub(super) fn route() -> impl Iterator<Item = &'static Key> + Clone {
    route::KEYS.iter()
}

/// Reports every key of `section` that this version does not act on. Returns whether a removed key was among them.
pub(super) fn review<K>(section: &Section<'_>, keys: K) -> bool
where
    K: Iterator<Item = &'static Key> + Clone,
{
    let mut seen = std::collections::HashMap::new();
    let mut any_removed = false;
    for entry in section.entries() {
        if let Some(first) = seen.insert(entry.key.to_ascii_lowercase(), &entry.spot) {
            let finding = Finding::error(&entry.spot, &entry.key, format!("duplicate key `{}`", entry.key));
            section.desk().problems.add(finding.related(first, "first defined here (keys are compared without case)"));
            continue;
        }
        let path = section.path_of(&entry.key);
        let known = keys.clone().find(|k| {
            let top = k.name.split('.').next().unwrap_or(k.name);
            top.eq_ignore_ascii_case(&entry.key)
        });
        let Some(key) = known else {
            section.desk().problems.add(unknown(section, entry, &path, keys.clone()));
            continue;
        };
        any_removed |= matches!(key.state, State::Removed(_));
        if let Some(finding) = judge(key, entry, &path) {
            section.desk().problems.add(finding);
        }
    }
    any_removed
}

fn unknown<K>(section: &Section<'_>, entry: &super::text::tree::Entry, path: &str, keys: K) -> Finding
where
    K: Iterator<Item = &'static Key> + Clone,
{
    let finding = Finding::warning(&entry.spot, path, format!("unknown config option `{}`; it is ignored", entry.key));
    let finding = if section.spot.is_known() && !path.is_empty() && path != entry.key {
        finding.related(&section.spot, "in this route")
    } else {
        finding
    };
    let nearest = if section.desk().problems.is_full() { None } else { nearest(&entry.key, keys) };
    match nearest {
        Some(name) => finding.help(format!("did you mean `{name}`?")),
        None => finding,
    }
}

/// The known key that is closest to `typed`, if any is close.
pub(super) fn nearest<K: Iterator<Item = &'static Key>>(typed: &str, keys: K) -> Option<&'static str> {
    let offered = keys.filter(|k| !matches!(k.state, State::Removed(_) | State::Old)).map(|k| k.name);
    super::nearest::nearest(&typed.to_ascii_lowercase(), offered)
}

fn judge(key: &Key, entry: &super::text::tree::Entry, path: &str) -> Option<Finding> {
    let spot = &entry.spot;
    match key.state {
        State::Used => None,
        State::Later(harmless) | State::Refused(harmless) if is_harmless(&entry.value, harmless) => None,
        State::Later(_) => {
            let message = format!("`{path}` is not supported by this version yet; it is ignored");
            Some(Finding::warning(spot, path, message))
        }
        State::Refused(_) => {
            let message = format!("`{path}` is not supported by this version yet");
            let help = "remove it to start without it; it is not ignored, because the result would be less safe or \
                        serve something else than it says";
            Some(Finding::error(spot, path, message).help(help))
        }
        State::Old => Some(
            Finding::warning(spot, path, format!("unknown config option `{path}`; it is ignored"))
                .help("older releases knew it; remove it"),
        ),
        State::Removed(instead) => {
            Some(Finding::error(spot, path, format!("config option was removed: `{path}`")).help(instead))
        }
    }
}

/// Nothing, an empty value, or one of the listed values.
fn is_harmless(tree: &Tree, harmless: &[&str]) -> bool {
    match &tree.value {
        Value::Null => true,
        Value::List(list) => list.is_empty(),
        Value::Map(entries) => {
            entries.iter().all(|e| !matches!(e.value.value, Value::Map(_)) && is_harmless(&e.value, &[]))
        }
        _ => tree.scalar().is_none_or(|text| {
            let text = text.trim();
            text.is_empty() || harmless.iter().any(|h| h.eq_ignore_ascii_case(text))
        }),
    }
}

/// Adds the one line that Pomerium ends with when removed keys were found.
pub(super) fn conclude(desk: &Desk, any_removed: bool) {
    if any_removed {
        let message = "some configuration options are no longer supported, please check logs for details";
        desk.problems.add(Finding::error(&super::problem::Spot::default(), "", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lower_case_and_stand_once() {
        for keys in [global::KEYS, route::KEYS] {
            let mut names: Vec<_> = keys.iter().map(|k| k.name).collect();
            assert!(
                names
                    .iter()
                    .all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b)))
            );
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn the_nearest_key_is_offered_when_it_is_near() {
        for (typed, expected) in [
            ("adress", Some("address")),
            ("IDP_PROVDER", Some("idp_provider")),
            ("cookie_seceret", Some("cookie_secret")),
            ("something_else", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, global()), expected, "{typed}");
        }
        assert_eq!(nearest("form", route()), Some("from"));
    }
}
