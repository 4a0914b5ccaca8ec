//! `client_certificate`: conditions on the certificate that a client showed, whether or not it is valid.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use serde_json::Value;

use super::matcher::{Condition, TextMatcher};
use super::problem::{Problems, type_name};
use crate::plan::client_certificate::{Leaf, hexadecimal};

/// A SHA-256 hash.
type Hash = [u8; 32];

/// Go's standard decoder does not look at the unused bits of the last digit.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Conditions; all must hold. Without any, every certificate matches.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateMatcher(Box<[Test]>);

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// One of these, over the certificate.
    Fingerprint(Box<[Hash]>),
    /// One of these, over its public key (SubjectPublicKeyInfo).
    SpkiHash(Box<[Hash]>),
    /// Any of the alternative names of the kind matches.
    SanEmail(TextMatcher),
    SanDns(TextMatcher),
    SanUri(TextMatcher),
}

impl CertificateMatcher {
    pub(super) fn read(data: &Value, problems: &mut Problems) -> Option<CertificateMatcher> {
        let Value::Object(conditions) = data else {
            let seen = type_name(data);
            return problems.bad_data(format_args!("expected object for certificate matcher, got: {seen}"));
        };
        let test = |(name, data): (&String, &Value)| problems.key(name, |problems| read_test(name, data, problems));
        Some(CertificateMatcher(conditions.iter().filter_map(test).collect()))
    }

    pub(super) fn holds(&self, leaf: &Leaf) -> bool {
        let any = |names: &[Box<str>], matcher: &TextMatcher| names.iter().any(|name| matcher.holds(name));
        self.0.iter().all(|test| match test {
            Test::Fingerprint(hashes) => hashes.contains(&leaf.fingerprint),
            Test::SpkiHash(hashes) => hashes.contains(&leaf.spki_hash),
            Test::SanEmail(matcher) => any(&leaf.names.email, matcher),
            Test::SanDns(matcher) => any(&leaf.names.dns, matcher),
            Test::SanUri(matcher) => any(&leaf.names.uri, matcher),
        })
    }
}

fn read_test(name: &str, data: &Value, problems: &mut Problems) -> Option<Test> {
    match name {
        "fingerprint" => Some(Test::Fingerprint(hashes("certificate fingerprint", data, problems, fingerprint))),
        "spki_hash" => Some(Test::SpkiHash(hashes("certificate SPKI hash", data, problems, spki_hash))),
        "san_email" => Some(Test::SanEmail(TextMatcher::read(data, problems))),
        "san_dns" => Some(Test::SanDns(TextMatcher::read(data, problems))),
        "san_uri" => Some(Test::SanUri(TextMatcher::read(data, problems))),
        _ => problems.bad_data(format_args!("unsupported certificate matcher condition: {name}")),
    }
}

/// A string or a list of strings, none of them empty, each read by `parse`.
fn hashes(
    what: &str,
    data: &Value,
    problems: &mut Problems,
    parse: impl Fn(&str) -> Result<Hash, String>,
) -> Box<[Hash]> {
    let one = |value: &Value, problems: &mut Problems| match value {
        Value::String(text) if text.is_empty() => problems.bad_data(format_args!("{what} must not be empty")),
        Value::String(text) => parse(text).map_err(|message| problems.bad_data::<()>(message)).ok(),
        _ => problems.bad_data(format_args!("{what} must be a string (was {value})")),
    };
    match data {
        Value::String(_) => one(data, problems).into_iter().collect(),
        Value::Array(list) => {
            let read = |(index, value)| problems.index(index, |problems| one(value, problems));
            list.iter().enumerate().filter_map(read).collect()
        }
        _ => {
            problems.bad_data::<()>(format_args!("{what} condition expects a string or array of strings"));
            Box::default()
        }
    }
}

/// 64 lower-case hexadecimal digits, or 32 upper-case pairs with colons between them.
fn fingerprint(text: &str) -> Result<Hash, String> {
    let unsupported = || format!("unsupported certificate fingerprint format ({text})");
    let is_long = text.contains(':');
    let digits: Vec<u8> = match is_long {
        true if text.split(':').all(|pair| pair.len() == 2) => text.bytes().filter(|byte| *byte != b':').collect(),
        true => return Err(unsupported()),
        false => text.into(),
    };
    let has_case = |byte: &u8| match byte {
        b'0'..=b'9' => true,
        b'A'..=b'F' => is_long,
        b'a'..=b'f' => !is_long,
        _ => false,
    };
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() || !digits.iter().all(has_case) {
        return Err(unsupported());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Ok(hash)
}

fn spki_hash(text: &str) -> Result<Hash, String> {
    let decoded = BASE64.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    decoded.ok_or_else(|| format!("certificate SPKI hash must be a base64-encoded SHA-256 hash (was {text})"))
}

impl CertificateMatcher {
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let one = |operator, values| Condition { operator, values };
        let condition = |test: &Test| match test {
            Test::Fingerprint(hashes) => {
                one("fingerprint", hashes.iter().map(|hash| hexadecimal(hash).into()).collect())
            }
            Test::SpkiHash(hashes) => one("spki_hash", hashes.iter().map(|hash| BASE64.encode(hash).into()).collect()),
            Test::SanEmail(matcher) => one("san_email", vec![written(matcher)]),
            Test::SanDns(matcher) => one("san_dns", vec![written(matcher)]),
            Test::SanUri(matcher) => one("san_uri", vec![written(matcher)]),
        };
        self.0.iter().map(condition).collect()
    }
}

/// The matcher as an object of its operators.
fn written(matcher: &TextMatcher) -> Value {
    let entry = |condition: Condition| {
        let takes_list = condition.takes_list();
        let mut values = condition.values;
        let value = if takes_list { Value::Array(values) } else { values.pop().unwrap_or_default() };
        (condition.operator.to_owned(), value)
    };
    Value::Object(matcher.conditions().into_iter().map(entry).collect())
}
