//! Header fields that the configuration sets and removes.

use super::super::problem::Finding;
use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::ResponseRewrite as Typing;
use crate::http::fields;
use crate::plan::route::ResponseRewrite;
use crate::plan::route::template::{Part, Template};

/// Header fields by name (lower case) and value.
pub(super) type Fields = Vec<(Box<str>, Box<str>)>;

/// A map of header names to values, as typed.
type Pairs = Opt<Vec<(String, Typed<String>)>>;

/// A key in `set_response_headers` that turns all of them off.
const DISABLE: &str = "disable";

const DEFAULTS: [(&str, &str); 2] = [("x-frame-options", "SAMEORIGIN"), ("x-xss-protection", "1; mode=block")];
const HSTS: (&str, &str) = ("strict-transport-security", "max-age=31536000; includeSubDomains; preload");

/// Longest header name, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Largest header value, in bytes.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Whether the value may stand in a field.
fn is_value(value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX && fields::value_is_clean(value.as_bytes())
}

pub(super) fn name_problem(name: &str) -> Option<String> {
    if !fields::is_token(name.as_bytes()) || name.len() > NAME_BYTES_MAX {
        return Some(format!("{name:?} is not a header name"));
    }
    let lower = name.to_ascii_lowercase();
    if fields::is_hop_by_hop(lower.as_bytes()) || lower == "content-length" {
        return Some(format!("the header {name:?} belongs to the connection and cannot be set or removed"));
    }
    None
}

/// Reads a map of headers, in the order of the configuration.
fn read(pairs: &[(String, Typed<String>)], desk: &Desk, problem: impl Fn(&str, &str) -> Option<Finding>) -> Fields {
    let mut found: Fields = Vec::with_capacity(pairs.len());
    for (name, typed) in pairs {
        let lower = name.to_ascii_lowercase();
        let value = typed.value.trim();
        let wrong = name_problem(name).or_else(|| {
            let twice = found.iter().any(|(known, _)| **known == *lower);
            twice.then(|| format!("the header {name:?} is set twice (names are compared without case)"))
        });
        let wrong = wrong.or_else(|| {
            (!is_value(value)).then(|| format!("the value of {name:?} holds a control character or is too long"))
        });
        match (wrong, problem(&lower, value)) {
            (Some(message), _) => desk.problems.add(typed.error(format!("`{}`: {message}", typed.path))),
            (None, Some(finding)) => desk.problems.add(finding),
            (None, None) => found.push((lower.into(), value.into())),
        }
    }
    found
}

/// `set_request_headers`, compiled; references to what is not known here are errors or warnings.
pub(super) fn set_on_request(pairs: &Pairs, desk: &Desk) -> Vec<(Box<str>, Template)> {
    let Some(typed) = pairs else { return Vec::new() };
    let set = read(&typed.value, desk, |name, value| {
        let path = format!("{}.{name}", typed.path);
        let refuse = |message: String| Some(Finding::error(&typed.spot, &path, format!("`{path}`: {message}")));
        if name == "host" {
            return refuse("the Host header cannot be set this way".to_owned());
        }
        if fields::canonical_is_identity(name.as_bytes()) {
            return refuse("headers that vouch for a person cannot be set".to_owned());
        }
        let unsupported = Template::parse(value).unsupported.into_iter().next()?;
        refuse(format!("{unsupported} is not supported by this version yet"))
    });
    let compile = |(name, value): (Box<str>, Box<str>)| {
        let parsed = Template::parse(&value);
        for always_empty in parsed.unknown.iter().cloned().chain(parsed.template.parts().iter().filter_map(unreadable))
        {
            let path = format!("{}.{name}", typed.path);
            let message = format!("`{path}`: {always_empty} is always empty");
            desk.problems.add(Finding::warning(&typed.spot, &path, message));
        }
        (name, parsed.template)
    };
    set.into_iter().map(compile).collect()
}

/// A reference to a field that nobody may read because no client may say it.
fn unreadable(part: &Part) -> Option<String> {
    match part {
        Part::Field(name) if fields::canonical_is_identity(name.as_bytes()) => {
            Some(format!("$pomerium.request.headers[{name:?}]"))
        }
        _ => None,
    }
}

/// `rewrite_response_headers`; problems are collected.
pub(super) fn response_rewrites(list: &[Typing], desk: &Desk) -> Vec<ResponseRewrite> {
    let mut rewrites = Vec::with_capacity(list.len());
    for typing in list {
        let text = |opt: &Opt<String>| opt.as_ref().map_or(String::new(), |typed| typed.value.clone());
        let (name, prefix, value) = (text(&typing.header), text(&typing.prefix), text(&typing.value));
        let name = name.trim().to_ascii_lowercase();
        let wrong = name_problem(&name).or_else(|| {
            let fine = is_value(&prefix) && is_value(&value);
            (!fine).then(|| format!("the prefix or value for {name:?} holds a control character or is too long"))
        });
        match wrong {
            Some(message) => {
                let message = format!("`{}`: {message}", typing.entry.path);
                desk.problems.add(typing.entry.error(message));
            }
            None => rewrites.push(ResponseRewrite { name: name.into(), prefix: prefix.into(), value: value.into() }),
        }
    }
    rewrites
}

/// `remove_request_headers`.
pub(super) fn removed_from_request(list: &Opt<Vec<Typed<String>>>, desk: &Desk) -> Vec<Box<str>> {
    let mut removed: Vec<Box<str>> = Vec::new();
    for typed in list.iter().flat_map(|typed| &typed.value) {
        let name = typed.value.trim().to_ascii_lowercase();
        let wrong =
            name_problem(&name).or_else(|| (name == "host").then(|| "the Host header cannot be removed".to_owned()));
        match wrong {
            Some(message) => desk.problems.add(typed.error(format!("`{}`: {message}", typed.path))),
            None if removed.contains(&name.as_str().into()) => {}
            None => removed.push(name.into()),
        }
    }
    removed
}

/// What is set on every response unless a route says otherwise; `None`: turned off for every route.
pub(super) fn on_responses(pairs: &Pairs, with_hsts: bool, desk: &Desk) -> Option<Fields> {
    match pairs {
        None => {
            let hsts = with_hsts.then_some(HSTS);
            Some(DEFAULTS.into_iter().chain(hsts).map(|(name, value)| (name.into(), value.into())).collect())
        }
        Some(typed) if is_disabled(&typed.value) => None,
        Some(typed) => Some(read(&typed.value, desk, |_, _| None)),
    }
}

/// A route's own fields merged over those of every response.
pub(super) fn on_route_responses(everywhere: &Option<Fields>, pairs: &Pairs, desk: &Desk) -> Fields {
    let own = match pairs {
        Some(typed) if is_disabled(&typed.value) => return Vec::new(),
        Some(typed) => read(&typed.value, desk, |_, _| None),
        None => Vec::new(),
    };
    let Some(everywhere) = everywhere else { return Vec::new() };
    let mut merged = everywhere.clone();
    for (name, value) in own {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => merged.push((name, value)),
        }
    }
    merged
}

fn is_disabled(pairs: &[(String, Typed<String>)]) -> bool {
    pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case(DISABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_judged() {
        for (name, fine) in [
            ("x-ok", true),
            ("x y", false),
            ("", false),
            ("x:y", false),
            ("Connection", false),
            ("te", false),
            ("transfer-encoding", false),
            ("content-length", false),
            ("x\r\ny", false),
            (&"x".repeat(300), false),
        ] {
            assert_eq!(name_problem(name).is_none(), fine, "{name}");
        }
        assert!(is_value("a\tb ü") && !is_value("a\r\nb") && !is_value("a\0"));
    }
}
