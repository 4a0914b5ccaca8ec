//! Criteria that Pomerium knows and this version cannot decide. Each is refused, so that no policy means less than it
//! says; mistakes in its data are told first, in Pomerium's words.

use serde_json::Value;

use super::matcher::TextMatcher;
use super::problem::{Problems, type_name};

/// Whether `name` is one of them.
pub(super) fn knows(name: &str) -> bool {
    matches!(
        name,
        "date"
            | "day_of_week"
            | "device"
            | "mcp_tool"
            | "record"
            | "ssh_ca"
            | "ssh_publickey"
            | "ssh_username"
            | "ssh_username_matches_claim"
            | "ssh_username_matches_email"
            | "time_of_day"
    )
}

/// Reports the criterion `name`.
pub(super) fn refuse<T>(name: &str, data: &Value, problems: &mut Problems) -> Option<T> {
    let before = problems.len();
    match name {
        "device" => device(data, problems),
        "mcp_tool" | "ssh_username" => drop(TextMatcher::read(data, problems)),
        "ssh_publickey" | "ssh_ca" => keys(data, problems),
        "ssh_username_matches_claim" if !data.is_string() => {
            note(problems, format_args!("expected string value, got: {}", type_name(data)));
        }
        _ => {}
    }
    if problems.len() == before {
        return problems.report(format_args!("criterion {name:?} is not supported by this version"));
    }
    None
}

fn device(data: &Value, problems: &mut Problems) {
    let Value::Object(fields) = data else {
        let seen = type_name(data);
        return note(problems, format_args!("expected object for device criterion, got: {seen}"));
    };
    for (field, value) in fields {
        problems.key(field, |problems| match field.as_str() {
            "approved" => {}
            "is" | "type" if value.is_string() => {}
            "is" | "type" => {
                let seen = type_name(value);
                note(problems, format_args!("expected string for device criterion {field} operator, got {seen}"));
            }
            _ => note(problems, format_args!("unexpected field in device criterion: {field}")),
        });
    }
}

fn keys(data: &Value, problems: &mut Problems) {
    let one = |value: &Value, problems: &mut Problems| {
        if !value.is_string() {
            note(problems, format_args!("expected string value, got: {}", type_name(value)));
        }
    };
    match data {
        Value::String(_) => {}
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                problems.index(index, |problems| one(value, problems));
            }
        }
        _ => note(problems, format_args!("expected string or array of strings, got: {}", type_name(data))),
    }
}

fn note(problems: &mut Problems, message: std::fmt::Arguments<'_>) {
    problems.bad_data::<()>(message);
}
