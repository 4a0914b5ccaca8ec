//! Facts that would turn the answer of a criterion. They need not be right: the policy is asked again with each.

mod time;

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::super::case::Case;
use super::edit::{Edit, List, Person};
use crate::plan::policy::{Condition, Criterion, Explanation};
use crate::plan::session::{Device, Enrollment};

/// Most values of one condition that are tried.
const VALUES_MAX: usize = 6;

const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"];
/// Addresses of documentation networks (RFC 5737, RFC 3849), which no policy means.
const ELSEWHERE: [&str; 3] = ["203.0.113.7", "198.51.100.7", "2001:db8::7"];

/// Facts for every criterion, without repetition: those that turn its answer.
pub(super) fn all(explanation: &Explanation<'_>, case: &Case) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    if case.session.is_none() {
        edits.push(Edit::SignIn);
    }
    for result in explanation.rules.iter().flat_map(|rule| &rule.criteria) {
        // Nobody's answers say nothing about somebody's.
        let both = case.session.is_none();
        for wanted in [true, false].into_iter().filter(|wanted| both || *wanted != result.value) {
            for edit in for_criterion(result.criterion, wanted, case) {
                if !edits.contains(&edit) {
                    edits.push(edit);
                }
            }
        }
    }
    edits.sort_by_key(Edit::cost);
    edits
}

/// Facts under which the criterion would (or would not) hold.
pub(super) fn for_criterion(criterion: &Criterion, wanted: bool, case: &Case) -> Vec<Edit> {
    let conditions = criterion.conditions();
    match criterion.name() {
        "authenticated_user" if wanted => vec![Edit::SignIn],
        "user" => texts(&conditions, wanted).map(|found| Edit::User(person("a user", "id", found))).collect(),
        "email" => texts(&conditions, wanted).map(|found| email(found, case)).collect(),
        "domain" => texts(&conditions, wanted).map(|found| domain(found, case)).collect(),
        "groups" => lists(&conditions, wanted).map(Edit::Group).collect(),
        "claim" => {
            let name = criterion.sub_path();
            lists(&conditions, wanted).map(|list| Edit::Claim(name.to_owned(), list)).collect()
        }
        "cors_preflight" => vec![Edit::Preflight(wanted)],
        "http_method" => METHODS
            .iter()
            .map(|method| (*method).to_owned())
            .chain(texts(&conditions, wanted).map(|found| found.text))
            .filter(|method| conditions.iter().all(|condition| fits(method, condition)) == wanted)
            .take(VALUES_MAX)
            .map(Edit::Method)
            .collect(),
        "http_path" => texts(&conditions, wanted).map(path).collect(),
        "source_ip" => sources(&conditions, wanted),
        "invalid_client_certificate" if !wanted => vec![Edit::Certificate],
        "device" => device(&conditions, wanted),
        "mcp_tool" if wanted => texts(&conditions, wanted).map(tool).collect(),
        "date" | "day_of_week" | "time_of_day" => time::moments(criterion, wanted, case),
        _ => Vec::new(),
    }
}

/// A text that fulfils conditions, and the condition in words.
struct Fitting {
    text: String,
    /// `is "x"`, `starts with "x"`; `None`: anything but what the criterion asks for.
    words: Option<String>,
    /// The text is named by the policy, and not made up.
    named: bool,
}

fn texts(conditions: &[Condition], wanted: bool) -> impl Iterator<Item = Fitting> + use<> {
    let words = conditions.iter().map(in_words).collect::<Vec<_>>().join(" and ");
    let found: Vec<Fitting> = if wanted {
        let fits = |text: &String| conditions.iter().all(|condition| fits(text, condition));
        let named: Vec<String> = named(conditions).filter(fits).take(VALUES_MAX).collect();
        match named.is_empty() {
            false => named.into_iter().map(|text| Fitting { text, words: Some(words.clone()), named: true }).collect(),
            true => vec![Fitting { text: made_up(conditions), words: Some(words), named: false }],
        }
    } else {
        vec![Fitting { text: String::new(), words: None, named: false }]
    };
    found.into_iter()
}

fn named(conditions: &[Condition]) -> impl Iterator<Item = String> {
    let naming = conditions.iter().filter(|condition| matches!(condition.operator, "is" | "in"));
    naming.flat_map(|condition| &condition.values).filter_map(|value| value.as_str().map(str::to_owned))
}

/// A text that begins, goes on and ends as the conditions ask.
fn made_up(conditions: &[Condition]) -> String {
    let part = |operator: &str| {
        let parts = conditions.iter().filter(|condition| condition.operator == operator);
        parts
            .filter_map(|condition| condition.values.first()?.as_str())
            .max_by_key(|text| text.len())
            .unwrap_or_default()
    };
    format!("{}{}{}", part("starts_with"), part("contains"), part("ends_with"))
}

fn fits(text: &str, condition: &Condition) -> bool {
    let mut values = condition.values.iter().filter_map(Value::as_str);
    match condition.operator {
        "is" | "in" => values.any(|value| value == text),
        "not" | "not_in" => values.all(|value| value != text),
        "contains" => values.all(|value| text.contains(value)),
        "starts_with" => values.all(|value| text.starts_with(value)),
        "ends_with" => values.all(|value| text.ends_with(value)),
        _ => true,
    }
}

fn in_words(condition: &Condition) -> String {
    let text = condition.to_string();
    match text.split_once(' ') {
        Some((operator @ ("starts_with" | "ends_with"), rest)) => format!("{} {rest}", operator.replace('_', " ")),
        Some(("not", rest)) => format!("is not {rest}"),
        Some(("in", rest)) => format!("is one of {rest}"),
        Some(("not_in", rest)) => format!("is none of {rest}"),
        _ => text,
    }
}

fn person(kind: &str, noun: &str, found: Fitting) -> Person {
    let Fitting { text, words, named } = found;
    match words {
        _ if named => Person { words: format!("be {kind} whose {noun} is {text:?}"), text },
        Some(words) => Person { words: format!("be {kind} whose {noun} {words}"), text: format!("{text}somebody") },
        None => Person { words: "be somebody else".to_owned(), text: "somebody-else".to_owned() },
    }
}

fn email(found: Fitting, case: &Case) -> Edit {
    let Fitting { text, words, named } = found;
    Edit::Email(match words {
        _ if named => Person { words: format!("be {text}"), text },
        Some(words) => {
            let words = format!("have an e-mail address that {words}");
            let text = match (text.starts_with('@'), text.contains('@')) {
                (true, _) => format!("somebody{text}"),
                (false, true) => text,
                (false, false) => format!("somebody@elsewhere.invalid{text}"),
            };
            Person { text, words }
        }
        None => {
            // Of the same domain, so that only the person is another one.
            let domain = case.session.as_ref().and_then(|session| session.email.split('@').nth(1));
            let text = format!("somebody.else@{}", domain.unwrap_or("elsewhere.invalid"));
            Person { words: "be somebody else".to_owned(), text }
        }
    })
}

fn domain(found: Fitting, case: &Case) -> Edit {
    let local = case.session.as_ref().and_then(|session| session.email.split('@').next()).filter(|l| !l.is_empty());
    let local = local.unwrap_or("somebody");
    let Fitting { text, words, named } = found;
    Edit::Email(match words {
        _ if named => Person { words: format!("have an e-mail address of {text}"), text: format!("{local}@{text}") },
        Some(words) => {
            let domain = if text.is_empty() { "elsewhere.invalid".to_owned() } else { text };
            Person { text: format!("{local}@{domain}"), words: format!("have an e-mail address whose domain {words}") }
        }
        None => Person {
            text: format!("{local}@elsewhere.invalid"),
            words: "have an e-mail address of another domain".to_owned(),
        },
    })
}

fn path(found: Fitting) -> Edit {
    match found.words {
        _ if found.named => Edit::Path(found.text.clone(), format!("ask for {}", found.text)),
        Some(words) => {
            let slash = if found.text.starts_with('/') { "" } else { "/" };
            Edit::Path(format!("{slash}{}", found.text), format!("ask for a path that {words}"))
        }
        None => Edit::Path("/somewhere/else".to_owned(), "ask for another path".to_owned()),
    }
}

fn tool(found: Fitting) -> Edit {
    let words = match found.words {
        Some(words) if !found.named => format!("call a tool that {words}"),
        _ => format!("call the tool {:?}", found.text),
    };
    Edit::Tool(Person { text: found.text, words })
}

/// A device that is known, and approved unless the condition says otherwise.
fn device(conditions: &[Condition], wanted: bool) -> Vec<Edit> {
    if !wanted {
        return Vec::new();
    }
    let value = |operator: &str| conditions.iter().find(|c| c.operator == operator).and_then(|c| c.values.first());
    let text = |operator: &str| value(operator).and_then(Value::as_str).unwrap_or_default();
    let kind = if text("type").is_empty() { "any" } else { text("type") };
    let unapproved = value("approved").and_then(Value::as_bool) == Some(false);
    let approved_by = if unapproved { "" } else { "an administrator" };
    let enrollment = Some(Enrollment { approved_by: approved_by.into() });
    vec![Edit::Device(Device { kind: kind.into(), id: text("is").into(), enrollment })]
}

fn lists(conditions: &[Condition], wanted: bool) -> impl Iterator<Item = List> + use<> {
    let list = |condition: &Condition| {
        let value = condition.values.first()?.clone();
        Some(match (condition.operator, wanted) {
            ("has", true) | ("exclude", false) => List::With(value),
            ("has", false) | ("exclude", true) | ("is", false) => List::Without(value),
            ("is", true) => List::Only(value),
            _ => return None,
        })
    };
    conditions.iter().filter_map(list).collect::<Vec<_>>().into_iter()
}

fn sources(conditions: &[Condition], wanted: bool) -> Vec<Edit> {
    let texts = conditions.iter().flat_map(|condition| &condition.values).filter_map(Value::as_str);
    let networks: Vec<IpNet> = texts.filter_map(|text| text.parse().ok()).collect();
    if wanted {
        let from = |network: &IpNet| {
            let single = network.prefix_len() == network.max_prefix_len();
            let place = if single { network.addr().to_string() } else { network.to_string() };
            Edit::Source(network.hosts().next().unwrap_or(network.addr()), format!("come from {place}"))
        };
        return networks.iter().take(VALUES_MAX).map(from).collect();
    }
    let outside = |address: &IpAddr| !networks.iter().any(|network| network.contains(address));
    let away = ELSEWHERE.iter().filter_map(|text| text.parse().ok()).find(outside);
    let ranges = networks.iter().take(VALUES_MAX).map(IpNet::to_string).collect::<Vec<_>>().join(", ");
    away.map(|address| Edit::Source(address, format!("come from outside {ranges}"))).into_iter().collect()
}
