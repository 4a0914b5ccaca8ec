//! Matchers: conditions on one text, and on a list of values.
//!
//! Comparison is case-sensitive and typed: the number 1 is not the text "1".

use std::fmt;

use serde_json::{Map, Number, Value};

use super::problem::Problems;

/// How many values of an `in` list are shown to a person.
const SHOWN_MAX: usize = 3;

/// Conditions on one text; all must hold. Without any, every text matches.
#[derive(Debug, Clone, PartialEq)]
pub struct TextMatcher(Box<[TextTest]>);

#[derive(Debug, Clone, PartialEq)]
enum TextTest {
    Is(Value),
    Not(Value),
    Contains(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    /// Sorted.
    In(Box<[Box<str>]>),
    /// Sorted.
    NotIn(Box<[Box<str>]>),
}

impl TextMatcher {
    /// Reads `data`: an object of operators, or anything else, which means `is`.
    pub(super) fn read(data: &Value, problems: &mut Problems) -> TextMatcher {
        let Value::Object(operators) = data else {
            return TextMatcher([TextTest::Is(data.clone())].into());
        };
        let test = |(name, data): (&String, &Value)| problems.key(name, |problems| text_test(name, data, problems));
        TextMatcher(operators.iter().filter_map(test).collect())
    }

    /// Any of these texts.
    pub(super) fn one_of(texts: &[String]) -> TextMatcher {
        TextMatcher([TextTest::In(sorted(texts.iter().map(String::as_str)))].into())
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        self.0.iter().all(|test| match test {
            TextTest::Is(wanted) => wanted.as_str() == Some(text),
            TextTest::Not(unwanted) => unwanted.as_str() != Some(text),
            TextTest::Contains(part) => text.contains(&**part),
            TextTest::StartsWith(start) => text.starts_with(&**start),
            TextTest::EndsWith(end) => text.ends_with(&**end),
            TextTest::In(list) => is_in(list, text),
            TextTest::NotIn(list) => !is_in(list, text),
        })
    }
}

fn text_test(name: &str, data: &Value, problems: &mut Problems) -> Option<TextTest> {
    let whole = |problems: &mut Problems| {
        // Rego's type checker refuses these too; a test that can never hold would open a `deny`.
        let text = data.as_str().map(Box::from);
        text.or_else(|| problems.bad_data(format_args!("{name} matcher requires a string")))
    };
    let list = |problems: &mut Problems| match data {
        Value::Array(values) => Some(sorted(values.iter().filter_map(Value::as_str))),
        _ => problems.bad_data(format_args!("{name} matcher requires an array of strings")),
    };
    match name {
        "is" => Some(TextTest::Is(data.clone())),
        "not" => Some(TextTest::Not(data.clone())),
        "contains" => whole(problems).map(TextTest::Contains),
        "starts_with" => whole(problems).map(TextTest::StartsWith),
        "ends_with" => whole(problems).map(TextTest::EndsWith),
        "in" => list(problems).map(TextTest::In),
        "not_in" => list(problems).map(TextTest::NotIn),
        _ => problems.bad_data(format_args!("unknown string matcher operator: {name}")),
    }
}

fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Box<[Box<str>]> {
    let mut list: Vec<Box<str>> = texts.map(Box::from).collect();
    list.sort_unstable();
    list.dedup();
    list.into()
}

fn is_in(list: &[Box<str>], text: &str) -> bool {
    list.binary_search_by(|candidate| (**candidate).cmp(text)).is_ok()
}

/// Conditions on a list; all must hold. Without any, every list matches.
#[derive(Debug, Clone, PartialEq)]
pub struct ListMatcher(Box<[ListTest]>);

#[derive(Debug, Clone, PartialEq)]
enum ListTest {
    /// Some element equals.
    Has(Value),
    /// The only element equals.
    Is(Value),
    /// No element equals.
    Exclude(Value),
}

impl ListMatcher {
    /// Reads `data`: an object of operators, or anything else, which means `has`.
    pub(super) fn read(data: &Value, problems: &mut Problems) -> ListMatcher {
        let Value::Object(operators) = data else {
            return ListMatcher([ListTest::Has(data.clone())].into());
        };
        let test = |(name, data): (&String, &Value)| match name.as_str() {
            "has" => Some(ListTest::Has(data.clone())),
            "is" => Some(ListTest::Is(data.clone())),
            "exclude" => Some(ListTest::Exclude(data.clone())),
            _ => problems
                .key(name, |problems| problems.bad_data(format_args!("unknown string list matcher operator: {name}"))),
        };
        ListMatcher(operators.iter().filter_map(test).collect())
    }

    /// Whether the list of `len` elements, of which `contains` knows the members, fulfils all conditions.
    pub(super) fn holds(&self, len: usize, contains: impl Fn(&Value) -> bool) -> bool {
        self.0.iter().all(|test| match test {
            ListTest::Has(wanted) => contains(wanted),
            ListTest::Is(wanted) => len == 1 && contains(wanted),
            ListTest::Exclude(unwanted) => !contains(unwanted),
        })
    }
}

/// Equality as Rego has it: numbers are equal when their values are, however they are written.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => same_object(a, b),
        _ => a == b,
    }
}

fn same_object(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
}

fn same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.as_f64() == b.as_f64(),
        (Some(whole), None) => is_whole(b, whole),
        (None, Some(whole)) => is_whole(a, whole),
    }
}

/// Whether the fraction `number` is exactly `whole`. Compared as integers: as floats, large neighbours look equal.
fn is_whole(number: &Number, whole: i128) -> bool {
    number.as_f64().is_some_and(|number| number.fract() == 0.0 && number as i128 == whole)
}

/// One condition of a matcher.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// As written in a policy: `is`, `not_in`, `has`.
    pub operator: &'static str,
    /// One, or for the operators that take a list any number.
    pub values: Vec<Value>,
}

impl Condition {
    pub(super) fn one(operator: &'static str, value: impl Into<Value>) -> Condition {
        Condition { operator, values: vec![value.into()] }
    }

    fn list(operator: &'static str, texts: &[Box<str>]) -> Condition {
        Condition { operator, values: texts.iter().map(|text| Value::from(&**text)).collect() }
    }

    pub(super) fn takes_list(&self) -> bool {
        matches!(self.operator, "in" | "not_in")
    }
}

impl TextMatcher {
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let condition = |test: &TextTest| match test {
            TextTest::Is(value) => Condition::one("is", value.clone()),
            TextTest::Not(value) => Condition::one("not", value.clone()),
            TextTest::Contains(text) => Condition::one("contains", &**text),
            TextTest::StartsWith(text) => Condition::one("starts_with", &**text),
            TextTest::EndsWith(text) => Condition::one("ends_with", &**text),
            TextTest::In(list) => match &**list {
                [only] => Condition::one("is", &**only),
                _ => Condition::list("in", list),
            },
            TextTest::NotIn(list) => Condition::list("not_in", list),
        };
        self.0.iter().map(condition).collect()
    }
}

impl ListMatcher {
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let condition = |test: &ListTest| match test {
            ListTest::Has(value) => Condition::one("has", value.clone()),
            ListTest::Is(value) => Condition::one("is", value.clone()),
            ListTest::Exclude(value) => Condition::one("exclude", value.clone()),
        };
        self.0.iter().map(condition).collect()
    }
}

/// `is "x"`, `in ["a", "b", "c", and 2 more]`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values.as_slice() {
            [only] if !self.takes_list() => return write!(f, "{} {only}", self.operator),
            _ => write!(f, "{} [", self.operator)?,
        }
        for (position, value) in self.values.iter().take(SHOWN_MAX).enumerate() {
            write!(f, "{}{value}", if position == 0 { "" } else { ", " })?;
        }
        match self.values.len().saturating_sub(SHOWN_MAX) {
            0 => f.write_str("]"),
            more => write!(f, ", and {more} more]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_is_that_of_rego() {
        let equal =
            [(json!(1), json!(1.0)), (json!({"a": [1, 2.0]}), json!({"a": [1.0, 2]})), (json!(-3), json!(-3.0))];
        for (a, b) in equal {
            assert!(same(&a, &b) && same(&b, &a), "{a} {b}");
        }
        let different = [
            (json!(1), json!("1")),
            (json!(1), json!(true)),
            (json!(1), json!(1.5)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)),
            (json!(u64::MAX), json!(-1)),
            (json!([1]), json!([1, 1])),
            (json!({"a": 1}), json!({"b": 1})),
            (json!(null), json!(false)),
            (json!("A"), json!("a")),
        ];
        for (a, b) in different {
            assert!(!same(&a, &b) && !same(&b, &a), "{a} {b}");
        }
    }
}
