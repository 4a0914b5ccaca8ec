//! Values with their places.

use super::super::problem::{Collector, Finding, Spot};
use super::marks::{Children, Mark};
use super::yaml::Raw;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Tree {
    pub(in super::super) spot: Spot,
    pub(in super::super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A key of a map with its value. No two entries of a map have the same key.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Entry {
    pub(in super::super) key: String,
    pub(in super::super) spot: Spot,
    pub(in super::super) value: Tree,
}

impl Tree {
    pub(in super::super) fn text(text: impl Into<String>, spot: Spot) -> Self {
        Tree { spot, value: Value::Text(text.into()) }
    }

    pub(in super::super) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What it is, in words, without its content.
    pub(in super::super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a bool",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// A scalar as text, the way it would be typed; `None` for lists, maps and nothing.
    pub(in super::super) fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::Text(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Gives everything in the tree the same place.
    pub(super) fn move_to(&mut self, spot: &Spot) {
        self.spot = spot.clone();
        match &mut self.value {
            Value::List(list) => list.iter_mut().for_each(|t| t.move_to(spot)),
            Value::Map(entries) => entries.iter_mut().for_each(|e| {
                e.spot = spot.clone();
                e.value.move_to(spot);
            }),
            _ => {}
        }
    }

    /// The tree as JSON; a number that JSON cannot hold becomes its text.
    pub(in super::super) fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(n), _) => n.into(),
                (_, Ok(n)) => n.into(),
                _ => Json::String(value.to_string()),
            },
            Value::Float(value) => {
                serde_json::Number::from_f64(*value).map_or_else(|| Json::String(value.to_string()), Json::Number)
            }
            Value::Text(value) => Json::String(value.clone()),
            Value::List(list) => list.iter().map(Tree::json).collect(),
            Value::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.clone(), e.value.json())).collect()),
        }
    }
}

/// Joins what was read with where it stands. Duplicate keys and keys that are no strings are collected as errors;
/// merge keys (`<<`) are resolved.
pub(super) fn build(raw: Raw, mark: Option<&Mark>, problems: &Collector) -> Tree {
    Joiner { problems }.tree(raw, mark, &Spot::default())
}

struct Joiner<'a> {
    problems: &'a Collector,
}

impl Joiner<'_> {
    /// `around` is the place to fall back to.
    fn tree(&self, raw: Raw, mark: Option<&Mark>, around: &Spot) -> Tree {
        let spot = mark.map_or_else(|| around.clone(), |m| m.spot.clone());
        let children = mark.map_or(&Children::None, |m| &m.children);
        let value = match raw {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Int(value) => Value::Int(value),
            Raw::Float(value) => Value::Float(value),
            Raw::Text(value) => Value::Text(value),
            Raw::List(list) => Value::List(self.list(list, children, &spot)),
            Raw::Map(entries) => Value::Map(self.map(entries, children, &spot)),
        };
        Tree { spot, value }
    }

    fn list(&self, list: Vec<Raw>, children: &Children, around: &Spot) -> Vec<Tree> {
        let marks: &[Mark] = if let Children::List(marks) = children { marks } else { &[] };
        list.into_iter().enumerate().map(|(i, raw)| self.tree(raw, marks.get(i), around)).collect()
    }

    fn map(&self, raw: Vec<(Raw, Raw)>, children: &Children, around: &Spot) -> Vec<Entry> {
        let marks = if let Children::Map(marks) = children { marks.as_slice() } else { &[] };
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        let mut merged = Vec::new();
        let mut first = std::collections::HashMap::new();
        for (index, (key, value)) in raw.into_iter().enumerate() {
            let mark = marks.get(index);
            let spot = mark.map_or_else(|| around.clone(), |m| m.1.clone());
            let Raw::Text(key) = key else {
                let message = "cannot convert nested map: all keys must be strings";
                self.problems.add(Finding::error(&spot, "", message).help("put the key in quotes"));
                continue;
            };
            // Two parsers that disagree about a key disagree about what follows.
            let mark = mark.filter(|m| *m.0 == key);
            let value = self.tree(value, mark.map(|m| &m.2), &spot);
            if key == "<<" {
                merged.push(value);
                continue;
            }
            if let Some(&earlier) = first.get(&key) {
                let earlier: &Entry = &entries[earlier];
                let finding = Finding::error(&spot, &key, format!("duplicate key `{key}`"));
                self.problems.add(finding.related(&earlier.spot, "first defined here"));
                continue;
            }
            first.insert(key.clone(), entries.len());
            entries.push(Entry { key, spot, value });
        }
        for value in merged {
            self.merge(&mut entries, value);
        }
        entries
    }

    /// A merge key: entries of the merged map that are not there already, earlier maps winning.
    fn merge(&self, entries: &mut Vec<Entry>, tree: Tree) {
        match tree.value {
            Value::Map(merged) => {
                let known: std::collections::HashSet<String> = entries.iter().map(|e| e.key.clone()).collect();
                entries.extend(merged.into_iter().filter(|e| !known.contains(&e.key)));
            }
            Value::List(list) => list.into_iter().for_each(|t| self.merge(entries, t)),
            Value::Null => {}
            _ => {
                let message = format!("expected a map or a list of maps to merge, found {}", tree.kind());
                self.problems.add(Finding::error(&tree.spot, "<<", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn json(text: &str) -> String {
        let problems = Collector::default();
        let tree = parse(text, &problems).unwrap();
        assert!(!problems.has_errors());
        tree.json().to_string()
    }

    #[test]
    fn merge_keys_fill_in_what_is_missing() {
        let text = "base: &b {x: 1, y: 2}\na: {<<: *b, x: 9}\nc:\n  <<: [{z: 3}, *b]\n  y: 0\n";
        let expected = r#"{"base":{"x":1,"y":2},"a":{"x":9,"y":2},"c":{"y":0,"z":3,"x":1}}"#;
        assert_eq!(json(text), expected);
    }

    #[test]
    fn odd_numbers_become_json() {
        assert_eq!(
            json("[.nan, 1.5, -1, 18446744073709551615, 99999999999999999999]"),
            r#"["NaN",1.5,-1,18446744073709551615,"99999999999999999999"]"#
        );
    }

    #[test]
    fn aliased_values_have_the_place_of_the_alias() {
        let tree = parse("a: &x {k: 1}\nb: *x\n", &Collector::default()).unwrap();
        let Value::Map(entries) = tree.value else { panic!("a map was expected") };
        let Value::Map(inner) = &entries[1].value.value else { panic!("a map was expected") };
        assert_eq!(inner[0].spot.line, 2);
    }
}
