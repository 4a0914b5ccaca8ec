//! Reading typed values out of a map of the configuration, as loosely as Pomerium does: `"true"` is a bool, `5` is a
//! string, `a,b` is a list, a JSON string is a map. Keys are compared without case.

use std::time::Duration;

use super::duration;
use super::problem::{Collector, Finding, Spot};
use super::source::Files;
use super::text::tree::{Entry, Tree, Value};

/// What every step of the reading shares: where problems go and where files come from.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) problems: Collector,
    pub(super) files: Files,
}

/// A value as typed, with the path of its key and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typed<T> {
    pub(super) value: T,
    pub(super) path: String,
    pub(super) spot: Spot,
}

/// A value that may be left out.
pub(super) type Opt<T> = Option<Typed<T>>;

impl<T> Typed<T> {
    /// An error about this value.
    pub(super) fn error(&self, message: impl Into<String>) -> Finding {
        Finding::error(&self.spot, &self.path, message)
    }

    /// A warning about this value.
    pub(super) fn warning(&self, message: impl Into<String>) -> Finding {
        Finding::warning(&self.spot, &self.path, message)
    }
}

/// A value that may stand in the configuration or in a file that the configuration names.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) inline: Opt<String>,
    pub(super) file: Opt<String>,
}

/// One map of the configuration.
#[derive(Clone)]
pub(super) struct Section<'a> {
    entries: &'a [Entry],
    path: String,
    pub(super) spot: Spot,
    desk: &'a Desk,
}

impl<'a> Section<'a> {
    pub(super) fn new(entries: &'a [Entry], path: impl Into<String>, spot: &Spot, desk: &'a Desk) -> Self {
        Section { entries, path: path.into(), spot: spot.clone(), desk }
    }

    pub(super) fn entries(&self) -> &'a [Entry] {
        self.entries
    }

    pub(super) fn desk(&self) -> &'a Desk {
        self.desk
    }

    /// The path of a key in this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether the key is there with a value, whatever its type.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|e| e.key.eq_ignore_ascii_case(key) && !e.value.is_null())
    }

    /// The value as it stands. Its place is that of the value, or of the key for lists and maps.
    pub(super) fn tree(&self, key: &str) -> Opt<&'a Tree> {
        let entry = self.entry(key)?;
        let nested = matches!(entry.value.value, Value::List(_) | Value::Map(_));
        let spot = if nested || !entry.value.spot.is_known() { &entry.spot } else { &entry.value.spot };
        Some(Typed { value: &entry.value, path: self.path_of(key), spot: spot.clone() })
    }

    /// A string; numbers and bools are taken as their text.
    pub(super) fn text(&self, key: &str) -> Opt<String> {
        let typed = self.tree(key)?;
        text_of(self.desk, typed)
    }

    /// A string and its `_file` variant.
    pub(super) fn choice(&self, key: &str) -> Choice {
        Choice { inline: self.text(key), file: self.text(&format!("{key}_file")) }
    }

    /// A bool; `"true"`, `t`, `1`, `yes`, `on` and their opposites too.
    pub(super) fn flag(&self, key: &str) -> Opt<bool> {
        let typed = self.tree(key)?;
        let value = match &typed.value.value {
            Value::Bool(value) => Some(*value),
            Value::Int(number) => Some(*number != 0),
            Value::Text(text) => bool_of(text),
            _ => None,
        };
        self.convert(typed, value, "a bool (`true` or `false`)")
    }

    /// A whole number from `range`.
    pub(super) fn whole(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Opt<u64> {
        let typed = self.tree(key)?;
        let value = match &typed.value.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.convert(typed, value.filter(|v| range.contains(v)), &expected)
    }

    /// A duration in Go's form.
    pub(super) fn duration(&self, key: &str) -> Opt<Duration> {
        let typed = self.tree(key)?;
        match &typed.value.value {
            Value::Text(text) => match duration::parse(text) {
                Ok(value) => Some(typed.with(value)),
                Err(error) => {
                    let finding = typed.error(format!("`{}`: {error}", typed.path));
                    self.desk.problems.add(finding.help("write it like `30s`, `5m` or `1h15m`"));
                    None
                }
            },
            Value::Int(0) => Some(typed.with(Duration::ZERO)),
            Value::Int(number) => {
                let finding = typed.error(format!("`{}`: the duration {number} has no unit", typed.path));
                self.desk.problems.add(finding.help(format!("write `{number}s` for seconds")));
                None
            }
            _ => self.convert(typed, None, "a duration like `30s`"),
        }
    }

    /// A list of strings; a string is split at its commas.
    pub(super) fn list(&self, key: &str) -> Opt<Vec<Typed<String>>> {
        let typed = self.tree(key)?;
        let value = match &typed.value.value {
            Value::List(list) => list
                .iter()
                .enumerate()
                .filter_map(|(index, tree)| {
                    let path = format!("{}[{index}]", typed.path);
                    text_of(self.desk, Typed { value: tree, path, spot: tree.spot.clone() })
                })
                .collect(),
            Value::Map(_) | Value::Null => return self.convert(typed, None, "a list of strings"),
            _ => {
                let text = typed.value.scalar().unwrap_or_default();
                let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
                parts.map(|p| typed.with(p.to_owned())).collect()
            }
        };
        Some(typed.with(value))
    }

    /// A map of strings; a string is read as JSON. Keys keep their case.
    pub(super) fn pairs(&self, key: &str) -> Opt<Vec<(String, Typed<String>)>> {
        let typed = self.tree(key)?;
        match &typed.value.value {
            Value::Map(entries) => Some(typed.with(pairs_of(self.desk, entries, &typed.path))),
            Value::Text(text) => match super::text::parse_at(text, &typed.spot, &self.desk.problems) {
                Ok(Tree { value: Value::Map(entries), .. }) => {
                    Some(typed.with(pairs_of(self.desk, &entries, &typed.path)))
                }
                _ => self.convert(typed, None, "a map of strings, or one as JSON"),
            },
            _ => self.convert(typed, None, "a map of strings"),
        }
    }

    fn convert<T>(&self, typed: Typed<&Tree>, value: Option<T>, expected: &str) -> Opt<T> {
        if value.is_none() {
            self.desk.problems.add(mismatch(&typed, expected));
        }
        value.map(|v| typed.with(v))
    }
}

impl<A> Typed<A> {
    /// Another value with the same path and place.
    pub(super) fn with<T>(&self, value: T) -> Typed<T> {
        Typed { value, path: self.path.clone(), spot: self.spot.clone() }
    }
}

/// The finding for a value of the wrong type.
pub(super) fn mismatch(typed: &Typed<&Tree>, expected: &str) -> Finding {
    typed.error(format!("`{}`: expected {expected}, found {}", typed.path, typed.value.kind()))
}

fn text_of(desk: &Desk, typed: Typed<&Tree>) -> Opt<String> {
    match typed.value.scalar() {
        Some(text) => Some(typed.with(text)),
        None => {
            desk.problems.add(mismatch(&typed, "a string"));
            None
        }
    }
}

fn pairs_of(desk: &Desk, entries: &[Entry], path: &str) -> Vec<(String, Typed<String>)> {
    let pair = |entry: &Entry| {
        let path = format!("{path}.{}", entry.key);
        let spot = if entry.spot.is_known() { &entry.spot } else { &entry.value.spot };
        // A key without a value stands for the empty string.
        let empty = Typed { value: String::new(), path: path.clone(), spot: spot.clone() };
        let value = if entry.value.is_null() {
            empty
        } else {
            text_of(desk, Typed { value: &entry.value, path, spot: spot.clone() })?
        };
        Some((entry.key.clone(), value))
    };
    entries.iter().filter_map(pair).collect()
}

/// The bools of Go's `strconv.ParseBool` and of YAML 1.1.
fn bool_of(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "n" | "off" | "" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn with_section<R>(text: &str, run: impl Fn(&Section<'_>) -> R) -> (R, Vec<String>) {
        let desk = Desk::default();
        let tree = super::super::text::parse(text, &desk.problems).unwrap();
        let Value::Map(entries) = &tree.value else { panic!("a map was expected") };
        let result = run(&Section::new(entries, "", &tree.spot, &desk));
        let problems = desk.problems.finish(Some(Path::new("f.yaml")), text);
        (result, problems.list.into_iter().map(|p| p.message).collect())
    }

    #[test]
    fn bools_are_taken_loosely() {
        for (text, expected) in [
            ("k: true", Some(true)),
            ("K: \"TRUE\"", Some(true)),
            ("k: yes", Some(true)),
            ("k: On", Some(true)),
            ("k: 1", Some(true)),
            ("k: 0", Some(false)),
            ("k: off", Some(false)),
            ("k: \"\"", Some(false)),
            ("k:", None),
            ("other: 1", None),
        ] {
            let (value, problems) = with_section(text, |s| s.flag("k").map(|t| t.value));
            assert_eq!((value, problems.len()), (expected, 0), "{text}");
        }
    }

    #[test]
    fn wrong_types_are_named_without_their_content() {
        let texts = ["k: maybe", "k: [true]", "k: {a: 1}", "k: 1.5"];
        for text in texts {
            let (value, problems) = with_section(text, |s| s.flag("k"));
            assert_eq!(value, None);
            assert!(problems[0].starts_with("`k`: expected a bool (`true` or `false`), found a"), "{}", problems[0]);
        }
        let (_, problems) = with_section("k: [1]", |s| s.text("k"));
        assert_eq!(problems, ["`k`: expected a string, found a list"]);
        let (_, problems) = with_section("k: 1025", |s| s.whole("k", 1..=1024));
        assert_eq!(problems, ["`k`: expected a whole number from 1 to 1024, found a number"]);
        let (_, problems) = with_section("k: 30", |s| s.duration("k"));
        assert_eq!(problems, ["`k`: the duration 30 has no unit"]);
        let (_, problems) = with_section("k: [{a: 1}]", |s| s.list("k"));
        assert_eq!(problems, ["`k[0]`: expected a string, found a map"]);
        let (_, problems) = with_section("k: not json", |s| s.pairs("k"));
        assert_eq!(problems, ["`k`: expected a map of strings, or one as JSON, found a string"]);
    }

    #[test]
    fn strings_become_lists_and_maps() {
        let list = |s: &Section<'_>| s.list("k").unwrap().value.into_iter().map(|t| t.value).collect::<Vec<_>>();
        assert_eq!(with_section("k: a, b,,c", list).0, ["a", "b", "c"]);
        assert_eq!(with_section("k: [a, 5, true]", list).0, ["a", "5", "true"]);
        assert_eq!(with_section("k: 7", list).0, ["7"]);
        let pairs = |s: &Section<'_>| {
            let pairs = s.pairs("k").unwrap().value;
            pairs.into_iter().map(|(k, v)| format!("{k}={}", v.value)).collect::<Vec<_>>()
        };
        assert_eq!(with_section("k: {A: x, b: 5, c: }", pairs).0, ["A=x", "b=5", "c="]);
        assert_eq!(with_section("k: '{\"A\": \"x\", \"b\": 5}'", pairs).0, ["A=x", "b=5"]);
    }
}
