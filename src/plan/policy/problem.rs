//! Collects what is wrong with a policy, each with its place, so that all of it is told at once.

use std::fmt::Display;

use serde_json::Value;

use super::{Place, PolicyError, Step};

/// The errors found so far and the place where the reader stands.
#[derive(Debug, Default)]
pub(super) struct Problems {
    place: Vec<Step>,
    found: Vec<PolicyError>,
}

impl Problems {
    /// Reads with `read` what stands below `key`.
    pub(super) fn key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.below(Step::Key(key.to_owned()), read)
    }

    /// Reads with `read` what stands at `index`.
    pub(super) fn index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.below(Step::Index(index), read)
    }

    fn below<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(step);
        let result = read(self);
        self.place.pop();
        result
    }

    /// Where the reader stands.
    pub(super) fn place(&self) -> Place {
        self.place.as_slice().into()
    }

    /// Notes an error here. Returns `None`, for what could not be read.
    pub(super) fn report<T>(&mut self, message: impl Display) -> Option<T> {
        self.found.push(PolicyError { place: self.place(), message: message.to_string() });
        None
    }

    /// Notes an error of the grammar, wrapped as Pomerium's parser does.
    pub(super) fn bad_rule<T>(&mut self, message: impl Display) -> Option<T> {
        self.report(format_args!("invalid rules in policy: {message}"))
    }

    /// Notes an error in the data of a criterion, wrapped as Pomerium's generator does.
    pub(super) fn bad_data<T>(&mut self, message: impl Display) -> Option<T> {
        self.report(format_args!("error generating criterion rules: {message}"))
    }

    /// As [`Problems::bad_data`], where the rest can still be read.
    pub(super) fn note_data(&mut self, message: impl Display) {
        self.bad_data::<()>(message);
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<PolicyError>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// The name that Pomerium's messages give to the type of `value`.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "parser.Null",
        Value::Bool(_) => "parser.Boolean",
        Value::Number(_) => "parser.Number",
        Value::String(_) => "parser.String",
        Value::Array(_) => "parser.Array",
        Value::Object(_) => "parser.Object",
    }
}

/// `text` in quotes as Go's `%q` writes it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\0'..' ' | '\x7f' => quoted.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if is_printable(character) => quoted.push(character),
            '\0'..='\u{ffff}' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

/// Behind another character, so that combining marks count as printable, as they do in Go.
fn is_printable(character: char) -> bool {
    let pair: String = ['a', character].iter().collect();
    character == '\'' || pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        let cases = [
            ("plain", r#""plain""#),
            ("it's", r#""it's""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("é日e\u{301}", "\"é日e\u{301}\""),
            ("\u{85}\u{200b}\u{e000}", r#""\u0085\u200b\ue000""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, quoted) in cases {
            assert_eq!(quote(text), quoted);
        }
    }
}
