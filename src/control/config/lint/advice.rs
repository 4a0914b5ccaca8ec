//! What to write instead: help for the errors of policies, whose texts are Pomerium's and name no way out.

use super::super::nearest::nearest;
use super::super::text::tree::{Entry, Tree, Value};
use super::names::{LIST_OPERATORS, TEXT_OPERATORS, Takes, meant, meant_operator, takes};

/// Where an error stands: the last key (or the one above an index), what stands behind it, and what stands around it.
pub(in super::super) struct Place<'a> {
    /// The last step, if it is a key.
    pub(in super::super) key: Option<&'a str>,
    /// The name of the criterion that the place is in.
    pub(in super::super) criterion: Option<&'a str>,
    pub(in super::super) tree: Option<&'a Tree>,
}

const OPERATORS: [&str; 4] = ["and", "or", "not", "nor"];

/// Help for an error with this text at this place.
pub(in super::super) fn help(message: &str, place: &Place<'_>) -> Option<String> {
    let inner = message.split_once("): ").map_or(message, |(_, inner)| inner);
    let key = place.key.unwrap_or_default();
    if message.starts_with("unknown policy criterion: ") {
        return criterion(key);
    }
    if message.contains("unsupported action: ") {
        return Some(action(key));
    }
    if message.contains("unsupported conditional ") {
        return Some(conditional(key, place.tree));
    }
    if message.contains("invalid value for action in rule") {
        return Some(body(key, place.tree));
    }
    if inner.starts_with("unsupported type for criteria: ") {
        return Some(list(key, place.tree));
    }
    if inner.starts_with("unsupported type for criteria array: ") {
        return Some(element(place.tree));
    }
    if inner.starts_with("each criteria may only contain") {
        return Some(one_key(place.tree));
    }
    if message.contains("unsupported type for rule") {
        return Some("a policy is a list: `policy: [{ allow: { or: [{ email: a@example.com }] } }]`".to_owned());
    }
    data(message, place)
}

fn criterion(key: &str) -> Option<String> {
    let name = key.split('/').next().unwrap_or(key);
    if OPERATORS.contains(&name) {
        return Some(format!(
            "operators do not nest: write a rule of its own, `- allow: {{ {name}: […] }}`; several rules of one action are joined by `or`"
        ));
    }
    if TEXT_OPERATORS.contains(&name) || LIST_OPERATORS.contains(&name) {
        return Some(format!("`{name}` belongs under a criterion: `- email: {{ {name}: … }}`"));
    }
    if matches!(name, "allow" | "deny") {
        return Some(format!("`{name}` begins a rule and stands at the top of the policy: `- {name}: {{ or: […] }}`"));
    }
    match name {
        "pomerium_routes" => Some(
            "it was removed from the language: a policy applies to its own route; for a part of it use `http_path`"
                .to_owned(),
        ),
        _ => meant(key),
    }
}

fn action(key: &str) -> String {
    if OPERATORS.contains(&key) {
        return format!("`{key}` belongs under `allow` or `deny`: `- allow: {{ {key}: […] }}`");
    }
    if takes(key.split('/').next().unwrap_or(key)).is_some() {
        return format!("`{key}` is a criterion; write `- allow: {{ or: [{{ {key}: … }}] }}`");
    }
    match key.to_ascii_lowercase().as_str() {
        "permit" | "grant" | "accept" | "allowed" => "write `allow`".to_owned(),
        "block" | "forbid" | "reject" | "denied" | "refuse" => "write `deny`".to_owned(),
        lower => match nearest(lower, ["allow", "deny"].into_iter()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "a rule begins with `allow` or `deny`".to_owned(),
        },
    }
}

fn conditional(key: &str, tree: Option<&Tree>) -> String {
    if takes(key.split('/').next().unwrap_or(key)).is_some() {
        let value = tree.and_then(Tree::scalar).unwrap_or_else(|| "…".to_owned());
        return format!("`{key}` is a criterion and stands in the list of an operator: `or: [{{ {key}: {value} }}]`");
    }
    match key.to_ascii_lowercase().as_str() {
        "all" | "all_of" | "every" => "write `and`".to_owned(),
        "any" | "any_of" | "some" | "one_of" => "write `or`".to_owned(),
        "none" | "none_of" => "write `not`: it holds when none of its criteria does".to_owned(),
        "nand" => "write `nor`: it holds when not all of its criteria do".to_owned(),
        "allow" | "deny" => format!("`{key}` begins a rule of its own; move it to the left"),
        lower => match nearest(lower, OPERATORS.into_iter()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "criteria stand in the list of `and`, `or`, `not` or `nor`".to_owned(),
        },
    }
}

fn body(key: &str, tree: Option<&Tree>) -> String {
    match tree.map(|tree| &tree.value) {
        Some(Value::Null) => format!("nothing stands under `{key}`: indent what belongs to it by two more spaces"),
        Some(Value::List(_)) => format!("an operator is missing between `{key}` and the list: `{key}: {{ or: […] }}`"),
        Some(Value::Bool(true)) if key == "allow" => {
            "for everybody write `allow: { or: [{ accept: true }] }`; for whoever signs in, `authenticated_user: true`"
                .to_owned()
        }
        _ => format!("write `{key}: {{ or: [{{ email: a@example.com }}] }}`"),
    }
}

fn list(key: &str, tree: Option<&Tree>) -> String {
    match tree.map(|tree| &tree.value) {
        Some(Value::Null) => format!("nothing stands under `{key}`: indent its list by two more spaces"),
        Some(Value::Map(entries)) => {
            let list = entries.iter().map(|entry| format!("`- {}: …`", entry.key)).collect::<Vec<_>>().join(", ");
            format!("`{key}` takes a list: begin each criterion with a dash, {list}")
        }
        _ => format!("`{key}` takes a list: `{key}: [{{ email: a@example.com }}]`"),
    }
}

fn element(tree: Option<&Tree>) -> String {
    match tree.map(|tree| &tree.value) {
        Some(Value::Text(text)) if takes(text) == Some(Takes::Nothing) => format!("write `- {text}: true`"),
        Some(Value::Text(text)) if takes(text).is_some() => format!("write `- {text}: VALUE`"),
        Some(Value::Text(text)) if text.contains('@') => format!("write `- email: {text}`"),
        Some(Value::List(_)) => "one dash too many: a criterion is `- NAME: VALUE`".to_owned(),
        Some(Value::Null) => "remove the empty `-`".to_owned(),
        _ => "a criterion is `- NAME: VALUE`, such as `- email: a@example.com`".to_owned(),
    }
}

fn one_key(tree: Option<&Tree>) -> String {
    let entries: &[Entry] = match tree.map(|tree| &tree.value) {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    };
    let Some(first) = entries.first() else { return "remove the empty `{}`".to_owned() };
    let is_operator = |entry: &&Entry| TEXT_OPERATORS.contains(&&*entry.key) || LIST_OPERATORS.contains(&&*entry.key);
    if let Some(operator) = entries.iter().skip(1).find(is_operator).filter(|_| first.value.is_null()) {
        return format!(
            "`{}` stands beside `{}`: indent it by two more spaces, so that it is under it",
            operator.key, first.key
        );
    }
    let operator = entries.iter().find(|entry| OPERATORS.contains(&&*entry.key));
    if let Some(operator) = operator {
        let (name, first) = (&operator.key, &first.key);
        return format!(
            "`{name}` cannot stand beside a criterion: operators do not nest; to ask for both write `and: [{{ {first}: … }}, …]`"
        );
    }
    let list = entries.iter().map(|entry| format!("`- {}: …`", entry.key)).collect::<Vec<_>>().join(", ");
    format!("begin each criterion with a dash of its own: {list}")
}

/// Help for an error in the data of a criterion.
fn data(message: &str, place: &Place<'_>) -> Option<String> {
    let key = place.key.unwrap_or_default();
    let criterion = place.criterion.unwrap_or("email");
    let scalar = place.tree.and_then(Tree::scalar);
    let value = scalar.as_deref().unwrap_or("VALUE");
    if message.contains("unknown string matcher operator: ") {
        return Some(match key {
            "has" => format!("`has` is for lists; {criterion} is one text: `{criterion}: {{ is: {value} }}`"),
            "exclude" => format!("`exclude` is for lists; {criterion} is one text: `{criterion}: {{ not: {value} }}`"),
            "regex" | "matches" | "match" | "regexp" | "like" | "glob" => {
                format!("there are no patterns; use {}", listed(&TEXT_OPERATORS[2..5]))
            }
            _ => operator(key, &TEXT_OPERATORS),
        });
    }
    if message.contains("unknown string list matcher operator: ") {
        return Some(match key {
            "in" => format!(
                "{criterion} is a list; for any of several write one criterion for each under `or`: `- {criterion}: VALUE`"
            ),
            "not" | "not_in" => format!("{criterion} is a list; write `{criterion}: {{ exclude: {value} }}`"),
            "contains" => format!("{criterion} is a list; write `{criterion}: {{ has: {value} }}`"),
            _ => operator(key, &LIST_OPERATORS),
        });
    }
    if message.contains(" matcher requires an array of strings") {
        return Some(match (key, scalar.is_some()) {
            ("in", true) => format!("write `in: [{value}]`, or `is: {value}`"),
            (_, true) => format!("write `{key}: [{value}]`"),
            _ => format!("write `{key}: [a, b]`"),
        });
    }
    if message.contains(" matcher requires a string") {
        return Some(format!("write one text: `{key}: \"…\"`; for several write one criterion for each under `or`"));
    }
    if message.contains("expected IP or CIDR range") {
        return Some(address(value));
    }
    message
        .contains("expected string or array of strings, got")
        .then(|| "write an address or a range, or a list of them: `source_ip: [10.0.0.0/8, 192.0.2.7]`".to_owned())
        .filter(|_| criterion == "source_ip")
}

fn operator(key: &str, known: &[&'static str]) -> String {
    match meant_operator(key, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("a matcher has {}", listed(known)),
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn address(text: &str) -> String {
    if let Some((address, prefix)) = text.split_once('/') {
        let limit = if address.contains(':') { 128 } else { 32 };
        if prefix.parse::<u32>().is_ok_and(|prefix| prefix > limit) {
            return format!("the prefix is at most {limit}");
        }
    }
    if text.contains('*') {
        return "write a range by its prefix: `10.0.0.0/24` is 10.0.0.*".to_owned();
    }
    if text.contains('-') && text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
        return "write ranges by their prefix, such as `10.0.0.0/24`".to_owned();
    }
    if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.contains(':') {
        return "names are not looked up; write the address or range, such as `192.0.2.7` or `10.0.0.0/8`".to_owned();
    }
    "write an address or a range, such as `192.0.2.7` or `10.0.0.0/8`".to_owned()
}
