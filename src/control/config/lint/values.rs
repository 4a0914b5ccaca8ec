//! Lints on the data of one criterion.

use super::super::problem::{Finding, Spot};
use super::super::text::tree::{Tree, Value};
use super::super::written::Criterion;
use super::Lint;
use super::names::{LIST_OPERATORS, Takes, takes};

/// Longest value that is repeated in a message, in characters.
const SHOWN_MAX: usize = 60;

/// Reports what is odd about the data of `criterion`.
pub(super) fn review(criterion: &Criterion, found: &mut Vec<Finding>) {
    let mut seat = Seat { criterion, found };
    match takes(criterion.name()) {
        Some(Takes::Nothing) => nothing(&mut seat),
        Some(Takes::Text) => text_matcher(&mut seat),
        Some(Takes::List) => list_matcher(&mut seat),
        Some(Takes::Networks) => networks(&mut seat),
        Some(Takes::Own) | None => {}
    }
}

/// Where findings about a criterion go.
struct Seat<'a> {
    criterion: &'a Criterion,
    found: &'a mut Vec<Finding>,
}

impl Seat<'_> {
    fn warn(&mut self, lint: Lint, tree: &Tree, message: String, help: impl Into<String>) {
        let spot: &Spot = if tree.spot.is_known() { &tree.spot } else { &self.criterion.spot };
        self.found.push(Finding::lint(lint, spot, &self.criterion.path, message).help(help));
    }

    /// Advice to write this criterion: in a policy, where a legacy field cannot say it.
    fn write(&self, criterion: &str) -> String {
        match self.criterion.path.contains(".policy") {
            true => format!("write `{criterion}`"),
            false => format!("in a `policy` write `{criterion}`"),
        }
    }
}

fn nothing(seat: &mut Seat<'_>) {
    let criterion = seat.criterion;
    if criterion.data.value != Value::Bool(false) {
        return;
    }
    let name = criterion.name();
    let message = format!("`{name}: false` means the same as `{name}: true`: what stands behind it is ignored");
    seat.warn(Lint::DataIgnored, &criterion.data, message, "remove the criterion to turn it off");
}

fn text_matcher(seat: &mut Seat<'_>) {
    for (operator, tree) in seat.criterion.tests("is") {
        match operator {
            "is" | "not" => whole_text(seat, operator, tree),
            "in" | "not_in" => {
                let Value::List(list) = &tree.value else { continue };
                if list.is_empty() {
                    let effect = if operator == "in" { "holds for nothing" } else { "holds for everything" };
                    let message = format!("`{operator}` with an empty list {effect}");
                    seat.warn(Lint::EmptyList, tree, message, "fill the list, or remove the operator");
                }
                list.iter().for_each(|element| whole_text(seat, operator, element));
            }
            "contains" | "starts_with" | "ends_with" => part_of_text(seat, operator, tree),
            _ => {}
        }
    }
    matcher_without_operator(seat);
}

fn matcher_without_operator(seat: &mut Seat<'_>) {
    let criterion = seat.criterion;
    let empty = match &criterion.data.value {
        Value::Map(entries) => entries.is_empty(),
        Value::Null => true,
        _ => false,
    };
    if !empty {
        return;
    }
    let (key, null) = (&criterion.key, criterion.data.is_null());
    let message = match null {
        true => format!("nothing stands behind `{key}:`, so that it holds for no value"),
        false => format!("`{key}: {{}}` names no condition: it holds for every value"),
    };
    let at = Tree { spot: criterion.spot.clone(), value: Value::Null };
    let lint = if null { Lint::NotText } else { Lint::EmptyList };
    seat.warn(lint, &at, message, format!("write `{key}: VALUE`, or an operator and its value indented below it"));
}

/// A value that is compared as a whole.
fn whole_text(seat: &mut Seat<'_>, operator: &str, tree: &Tree) {
    let name = seat.criterion.name().to_owned();
    match &tree.value {
        Value::Text(text) => {
            let (text, shown) = (text.as_str(), shown(text));
            match &*name {
                "email" => email(seat, tree, text),
                "domain" => domain(seat, tree, text),
                "http_method" => method(seat, tree, text),
                "http_path" => path(seat, tree, text),
                _ => {}
            }
            if text.contains('*') && (name == "email" || name == "domain" || name == "http_path") {
                let message = format!("`*` has no meaning here: only {} {shown} itself is equal", article(&name));
                let help = wildcard_help(seat, text);
                seat.warn(Lint::WildcardIsLiteral, tree, message, help);
            }
            space(seat, tree, text);
        }
        Value::List(list) => {
            let values: Vec<String> = list.iter().filter_map(Tree::scalar).map(|text| shown(&text)).collect();
            let message = format!("`{operator}` compares with one value; a list equals none");
            let many = if operator == "not" { "not_in" } else { "in" };
            let help = format!("for any of several write `{name}: {{ {many}: [{}] }}`", values.join(", "));
            seat.warn(Lint::ListIsOneValue, tree, message, help);
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let message = format!("{} is compared with {}, and text never equals that", tree.kind(), article(&name));
            let text = tree.scalar().unwrap_or_default();
            seat.warn(Lint::NotText, tree, message, format!("put it in quotes: `\"{text}\"`"));
        }
        Value::Null | Value::Map(_) => {}
    }
}

/// A value that is looked for at the start, at the end or inside.
fn part_of_text(seat: &mut Seat<'_>, operator: &str, tree: &Tree) {
    let Value::Text(text) = &tree.value else { return };
    let name = seat.criterion.name().to_owned();
    if text.contains('*') && (name == "email" || name == "domain" || name == "http_path") {
        let message = format!("`*` has no meaning here: `{operator}` looks for {} letter by letter", shown(text));
        let help = format!("leave the `*` out: `{operator}` leaves the rest open by itself");
        seat.warn(Lint::WildcardIsLiteral, tree, message, help);
    } else if name == "http_path" && operator == "starts_with" {
        path(seat, tree, text);
    } else if name == "domain" && text.contains('@') {
        domain(seat, tree, text);
    }
    space(seat, tree, text);
}

fn email(seat: &mut Seat<'_>, tree: &Tree, text: &str) {
    if !text.contains('@') && !text.contains('*') && !text.is_empty() {
        let message = format!("{} is no e-mail address: it has no `@`", shown(text));
        let help = match text.contains('.') {
            true => format!("for everybody of a domain write `domain: {text}`"),
            false => "for a user id write `user: …`; for a group, `groups: …` or `claim/groups: …`".to_owned(),
        };
        seat.warn(Lint::EmailWithoutAt, tree, message, help);
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let message = format!("{} has capital letters, and is compared exactly as it is", shown(text));
        let help = format!("most providers give {}; write it as yours does", shown(&text.to_ascii_lowercase()));
        seat.warn(Lint::UpperCase, tree, message, help);
    }
}

fn domain(seat: &mut Seat<'_>, tree: &Tree, text: &str) {
    if let Some((person, domain)) = text.rsplit_once('@') {
        let message = format!("{} is no domain: a domain is what stands behind the `@`", shown(text));
        let in_policy = seat.criterion.path.contains(".policy");
        let help = match person {
            "" | "*" if !in_policy => format!("write `{domain}`"),
            "" | "*" => format!("write `domain: {domain}`"),
            _ if !in_policy => {
                format!("for this person write it under `allowed_users`, for all of the domain `{domain}`")
            }
            _ => format!("for this person write `email: {text}`, for all of the domain `domain: {domain}`"),
        };
        seat.warn(Lint::DomainWithAt, tree, message, help);
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let message = format!("{} has capital letters, and is compared exactly as it is", shown(text));
        seat.warn(Lint::UpperCase, tree, message, format!("write {}", shown(&text.to_ascii_lowercase())));
    }
}

fn method(seat: &mut Seat<'_>, tree: &Tree, text: &str) {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let message = format!("methods are in capital letters: no request has the method {}", shown(text));
        seat.warn(Lint::UpperCase, tree, message, format!("write {}", shown(&text.to_ascii_uppercase())));
    }
}

fn path(seat: &mut Seat<'_>, tree: &Tree, text: &str) {
    if text.contains("://") {
        let message = format!("{} is a URL; a path is what stands behind the host", shown(text));
        seat.warn(Lint::PathNeverMatches, tree, message, "write the path alone, such as `/docs`");
    } else if !text.starts_with('/') && !text.is_empty() {
        let message = format!("every path begins with a slash, and {} does not", shown(text));
        seat.warn(Lint::PathNeverMatches, tree, message, format!("write `/{text}`"));
    } else if let Some((path, _)) = text.split_once('?') {
        let message = format!("the query is no part of the path: no path is {}", shown(text));
        seat.warn(Lint::PathNeverMatches, tree, message, format!("write `{path}`; a policy cannot see the query"));
    } else if text.contains('%') {
        let message = format!("paths are compared without percent escapes: no path is {}", shown(text));
        seat.warn(Lint::PathNeverMatches, tree, message, "write the characters themselves");
    }
}

fn space(seat: &mut Seat<'_>, tree: &Tree, text: &str) {
    if text.trim() != text {
        let message = format!("the space around {} is compared too", shown(text));
        seat.warn(Lint::SpaceAround, tree, message, format!("write {}", shown(text.trim())));
    }
}

fn list_matcher(seat: &mut Seat<'_>) {
    let criterion = seat.criterion;
    if criterion.name() == "claim" && criterion.key.split_once('/').is_none_or(|(_, path)| path.is_empty()) {
        let message = "`claim` names no claim, so that none is ever found".to_owned();
        let at = Tree { spot: criterion.spot.clone(), value: Value::Null };
        return seat.warn(
            Lint::ClaimWithoutName,
            &at,
            message,
            "write the claim behind a slash: `claim/groups: admins`",
        );
    }
    for (operator, tree) in criterion.tests("has").into_iter().filter(|test| LIST_OPERATORS.contains(&test.0)) {
        match &tree.value {
            Value::List(list) if list.is_empty() => {
                let message = format!("`{operator}` compares with one value; an empty list equals none");
                seat.warn(Lint::EmptyList, tree, message, "write the value, or remove the criterion");
            }
            Value::List(list) => list_for_one(seat, operator, tree, list),
            Value::Text(text) => {
                if text.contains('*') {
                    let message = format!("`*` has no meaning here: only {} itself is equal", shown(text));
                    let help = "name each value: one criterion for each, under `or`";
                    seat.warn(Lint::WildcardIsLiteral, tree, message, help);
                }
                space(seat, tree, text);
            }
            _ => {}
        }
    }
    matcher_without_operator(seat);
}

fn list_for_one(seat: &mut Seat<'_>, operator: &str, tree: &Tree, list: &[Tree]) {
    let key = &seat.criterion.key;
    let value = list.first().and_then(Tree::scalar).unwrap_or_default();
    let one = match operator {
        "has" => format!("`- {key}: {value}`"),
        _ => format!("`- {key}: {{ {operator}: {value} }}`"),
    };
    let message = format!("`{operator}` compares with one value; a list equals none");
    let help = match operator {
        "exclude" => format!("write one criterion for each value under `and`: {one}, …"),
        _ => format!("for any of several write one criterion for each under `or`: {one}, …"),
    };
    seat.warn(Lint::ListIsOneValue, tree, message, help);
}

fn networks(seat: &mut Seat<'_>) {
    match &seat.criterion.data.value {
        Value::List(list) if list.is_empty() => {
            let data = &seat.criterion.data;
            seat.warn(Lint::EmptyList, data, "no address is in an empty list".to_owned(), "name an address or a range");
        }
        Value::List(list) => list.iter().for_each(|tree| network(seat, tree)),
        _ => network(seat, &seat.criterion.data),
    }
}

fn network(seat: &mut Seat<'_>, tree: &Tree) {
    let Some(network) = tree.scalar().and_then(|text| text.parse::<ipnet::IpNet>().ok()) else { return };
    if network.addr() != network.network() {
        let message = format!("{network} means all of {}", network.trunc());
        let host = match network {
            ipnet::IpNet::V4(_) => 32,
            ipnet::IpNet::V6(_) => 128,
        };
        let help = format!("write {}; for the address alone, {}/{host}", network.trunc(), network.addr());
        seat.warn(Lint::HostBits, tree, message, help);
    }
}

fn article(name: &str) -> &'static str {
    match name {
        "email" => "the e-mail address",
        "domain" => "the domain",
        "user" => "the user id",
        "http_method" => "the method",
        "http_path" => "the path",
        _ => "the text",
    }
}

fn wildcard_help(seat: &Seat<'_>, text: &str) -> String {
    let name = seat.criterion.name();
    let once = text.matches('*').count() == 1;
    let instead = match (name, text.strip_prefix("*@"), text.strip_prefix('*'), text.strip_suffix('*')) {
        ("email" | "domain", _, Some(""), _) => "authenticated_user: true".to_owned(),
        ("email", Some(domain), _, _) if once => format!("domain: {domain}"),
        (_, _, Some(rest), _) if once => format!("{name}: {{ ends_with: {rest} }}"),
        (_, _, _, Some(rest)) if once => format!("{name}: {{ starts_with: {rest} }}"),
        _ => return "use `starts_with`, `ends_with` or `contains`".to_owned(),
    };
    seat.write(&instead)
}

/// The text in quotes, cut when it is long.
fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return format!("{text:?}");
    }
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    format!("{cut:?}…")
}
