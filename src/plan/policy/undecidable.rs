//! Criteria that Pomerium knows and this version cannot decide. Each is refused, so that no policy means less than it
//! says; mistakes in its data are told first, in Pomerium's words.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use serde_json::Value;

use super::matcher::TextMatcher;
use super::problem::{Problems, type_name};

/// Bytes in a SHA-256.
const SHA256_BYTES: usize = 32;

/// Go's standard decoder does not look at the unused bits of the last digit.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Whether `name` is one of them.
pub(super) fn knows(name: &str) -> bool {
    name == "client_certificate"
}

/// Reports the criterion `name`.
pub(super) fn refuse<T>(name: &str, data: &Value, problems: &mut Problems) -> Option<T> {
    let before = problems.len();
    certificate(data, problems);
    if problems.len() == before {
        return problems.report(format_args!("criterion {name:?} is not supported by this version"));
    }
    None
}

fn certificate(data: &Value, problems: &mut Problems) {
    let Value::Object(conditions) = data else {
        let seen = type_name(data);
        return note(problems, format_args!("expected object for certificate matcher, got: {seen}"));
    };
    for (condition, value) in conditions {
        problems.key(condition, |problems| match condition.as_str() {
            "fingerprint" => hashes("certificate fingerprint", value, problems, |text, problems| {
                if !is_fingerprint(text) {
                    note(problems, format_args!("unsupported certificate fingerprint format ({text})"));
                }
            }),
            "spki_hash" => hashes("certificate SPKI hash", value, problems, |text, problems| {
                if !BASE64.decode(text).is_ok_and(|hash| hash.len() == SHA256_BYTES) {
                    let expected = "certificate SPKI hash must be a base64-encoded SHA-256 hash";
                    note(problems, format_args!("{expected} (was {text})"));
                }
            }),
            "san_email" | "san_dns" | "san_uri" => drop(TextMatcher::read(value, problems)),
            _ => note(problems, format_args!("unsupported certificate matcher condition: {condition}")),
        });
    }
}

/// A string or a list of strings, none of them empty, each looked at by `check`.
fn hashes(what: &str, data: &Value, problems: &mut Problems, check: impl Fn(&str, &mut Problems)) {
    let one = |value: &Value, problems: &mut Problems| match value {
        Value::String(text) if text.is_empty() => note(problems, format_args!("{what} must not be empty")),
        Value::String(text) => check(text, problems),
        _ => note(problems, format_args!("{what} must be a string (was {value})")),
    };
    match data {
        Value::String(_) => one(data, problems),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                problems.index(index, |problems| one(value, problems));
            }
        }
        _ => note(problems, format_args!("{what} condition expects a string or array of strings")),
    }
}

/// 64 lower-case hexadecimal digits, or 32 upper-case pairs with colons between them.
fn is_fingerprint(text: &str) -> bool {
    let is_short = text.len() == 2 * SHA256_BYTES && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    is_short || (text.split(':').count() == SHA256_BYTES && text.split(':').all(is_pair))
}

fn note(problems: &mut Problems, message: std::fmt::Arguments<'_>) {
    problems.bad_data::<()>(message);
}
