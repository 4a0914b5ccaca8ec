//! Criteria that cannot hold at once.

use ipnet::IpNet;

use super::super::text::tree::{Tree, Value};
use super::super::written::Criterion;
use super::names::{Takes, takes};

/// Two criteria, which may be one and the same, that exclude each other.
pub(super) struct Contradiction<'a> {
    pub(super) first: &'a Criterion,
    pub(super) second: &'a Criterion,
    /// Why, as half a sentence.
    pub(super) why: String,
    /// Whether either of them alone would do if they stood under `or`.
    pub(super) either: bool,
}

/// One condition on a subject.
#[derive(Clone, Copy)]
struct Test<'a> {
    criterion: &'a Criterion,
    operator: &'a str,
    tree: &'a Tree,
}

/// The first contradiction among criteria that must all hold.
pub(super) fn find(criteria: &[Criterion]) -> Option<Contradiction<'_>> {
    let mut subjects: Vec<&str> = Vec::new();
    for criterion in criteria {
        if !subjects.contains(&&*criterion.key) {
            subjects.push(&criterion.key);
        }
    }
    let in_one = subjects.iter().find_map(|subject| match takes(subject.split('/').next()?)? {
        Takes::Text => texts(&tests(criteria, subject, "is")),
        Takes::List => lists(&tests(criteria, subject, "has")),
        Takes::Networks => networks(criteria),
        Takes::Nothing | Takes::Own => None,
    });
    in_one.or_else(|| email_and_domain(criteria)).or_else(|| preflight(criteria))
}

fn tests<'a>(criteria: &'a [Criterion], key: &str, plain: &'a str) -> Vec<Test<'a>> {
    let of = |criterion: &'a Criterion| {
        let test = move |(operator, tree)| Test { criterion, operator, tree };
        criterion.tests(plain).into_iter().map(test)
    };
    criteria.iter().filter(|criterion| criterion.key == key).flat_map(of).collect()
}

/// The only values that the test lets through; `None`: too many to name.
fn named<'a>(test: &Test<'a>) -> Option<Vec<&'a str>> {
    match (test.operator, &test.tree.value) {
        ("is", Value::Text(text)) => Some(vec![text]),
        ("in", Value::List(list)) => Some(list.iter().filter_map(text).collect()),
        _ => None,
    }
}

fn text(tree: &Tree) -> Option<&str> {
    match &tree.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Whether `value` passes the test. What is not understood passes.
fn fits(value: &str, operator: &str, tree: &Tree) -> bool {
    let listed = |tree: &Tree| match &tree.value {
        Value::List(list) => list.iter().filter_map(text).any(|listed| listed == value),
        _ => false,
    };
    match (operator, text(tree)) {
        ("is", Some(text)) => value == text,
        ("not", Some(text)) => value != text,
        ("contains", Some(text)) => value.contains(text),
        ("starts_with", Some(text)) => value.starts_with(text),
        ("ends_with", Some(text)) => value.ends_with(text),
        ("in", _) => listed(tree),
        ("not_in", _) => !listed(tree),
        _ => true,
    }
}

/// Conditions on one text.
fn texts<'a>(tests: &[Test<'a>]) -> Option<Contradiction<'a>> {
    let subject = &tests.first()?.criterion.key;
    if let Some((source, mut values)) = tests.iter().find_map(|test| Some((test, named(test)?))) {
        for test in tests.iter().filter(|test| !std::ptr::eq(test.tree, source.tree)) {
            values.retain(|value| fits(value, test.operator, test.tree));
            if values.is_empty() {
                let why = format!("no {} {} and {}", noun(subject), words(source), words(test));
                let either = matches!(test.operator, "is" | "in");
                return Some(Contradiction { first: source.criterion, second: test.criterion, why, either });
            }
        }
        return None;
    }
    let at = |operator| tests.iter().filter(move |test| test.operator == operator);
    let apart = |operator, clash: fn(&str, &str) -> bool| {
        let pairs = at(operator).flat_map(|one| at(operator).map(move |two| (one, two)));
        pairs
            .filter_map(|(one, two)| Some((one, two, text(one.tree)?, text(two.tree)?)))
            .find(|(_, _, one, two)| clash(one, two))
            .map(|(one, two, ..)| (one, two))
    };
    let clash = apart("starts_with", |one, two| !one.starts_with(two) && !two.starts_with(one))
        .or_else(|| apart("ends_with", |one, two| !one.ends_with(two) && !two.ends_with(one)));
    let (first, second) = clash?;
    let why = format!("no {} {} and {}", noun(subject), words(first), words(second));
    Some(Contradiction { first: first.criterion, second: second.criterion, why, either: true })
}

/// Conditions on a list.
fn lists<'a>(tests: &[Test<'a>]) -> Option<Contradiction<'a>> {
    let pairs = tests.iter().enumerate().flat_map(|(at, one)| tests[at + 1..].iter().map(move |two| (one, two)));
    let clash = |(one, two): &(&Test<'_>, &Test<'_>)| {
        let same = one.tree.value == two.tree.value;
        match (one.operator, two.operator) {
            ("is", "is" | "has") | ("has", "is") => !same,
            ("is" | "has", "exclude") | ("exclude", "is" | "has") => same,
            _ => false,
        }
    };
    let (first, second) = pairs.into_iter().find(clash)?;
    let why = format!("no list {} and {}", words(first), words(second));
    let either = first.operator != "exclude" && second.operator != "exclude";
    Some(Contradiction { first: first.criterion, second: second.criterion, why, either })
}

fn networks(criteria: &[Criterion]) -> Option<Contradiction<'_>> {
    let named = |criterion: &Criterion| -> Option<Vec<IpNet>> {
        let values = match &criterion.data.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(&criterion.data),
        };
        values.iter().map(|tree| network(text(tree)?)).collect()
    };
    let sources: Vec<(&Criterion, Vec<IpNet>)> =
        criteria.iter().filter(|c| c.key == "source_ip").filter_map(|c| Some((c, named(c)?))).collect();
    let (first, second) = pairs(&sources)
        .find(|((_, one), (_, two))| !one.iter().any(|a| two.iter().any(|b| a.contains(b) || b.contains(a))))?;
    let why = "no address is in both ranges".to_owned();
    Some(Contradiction { first: first.0, second: second.0, why, either: true })
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))
}

fn pairs<T>(list: &[T]) -> impl Iterator<Item = (&T, &T)> {
    list.iter().enumerate().flat_map(|(at, one)| list[at + 1..].iter().map(move |two| (one, two)))
}

/// An e-mail address outside the domain that is asked for beside it.
fn email_and_domain(criteria: &[Criterion]) -> Option<Contradiction<'_>> {
    let domains = tests(criteria, "domain", "is");
    for email in tests(criteria, "email", "is") {
        for domain in &domains {
            let excluded = match named(&email) {
                Some(emails) => !emails
                    .iter()
                    .any(|email| email.split('@').nth(1).is_some_and(|its| fits(its, domain.operator, domain.tree))),
                None => ends_outside(&email, domain),
            };
            if excluded {
                let why = format!("no e-mail address {} and has a domain that {}", words(&email), words(domain));
                return Some(Contradiction { first: email.criterion, second: domain.criterion, why, either: true });
            }
        }
    }
    None
}

fn ends_outside(email: &Test<'_>, domain: &Test<'_>) -> bool {
    let ("ends_with", Some(end), Some(domains)) = (email.operator, text(email.tree), named(domain)) else {
        return false;
    };
    !domains.iter().any(|domain| {
        let whole = format!("@{domain}");
        whole.ends_with(end) || end.ends_with(&whole)
    })
}

/// A preflight is an OPTIONS request.
fn preflight(criteria: &[Criterion]) -> Option<Contradiction<'_>> {
    let first = criteria.iter().find(|criterion| criterion.key == "cors_preflight")?;
    let methods = tests(criteria, "http_method", "is");
    let other = methods.iter().find(|test| !fits("OPTIONS", test.operator, test.tree))?;
    let why = "a preflight has the method OPTIONS".to_owned();
    Some(Contradiction { first, second: other.criterion, why, either: true })
}

fn noun(key: &str) -> &str {
    match key {
        "email" => "e-mail address",
        "http_method" => "method",
        "http_path" => "path",
        "mcp_tool" => "tool",
        "ssh_username" => "user name",
        "user" => "user id",
        other => other,
    }
}

/// The test as half a sentence: `is "a"`, `is one of [a, b]`.
fn words(test: &Test<'_>) -> String {
    let value = match &test.tree.value {
        Value::List(list) => format!("[{}]", list.iter().filter_map(Tree::scalar).collect::<Vec<_>>().join(", ")),
        _ => format!("{:?}", test.tree.scalar().unwrap_or_default()),
    };
    match (test.operator, takes(test.criterion.name())) {
        ("is", Some(Takes::List)) => format!("has {value} alone"),
        ("is", _) => format!("is {value}"),
        ("not", _) => format!("is not {value}"),
        ("exclude", _) => format!("is without {value}"),
        ("in", _) => format!("is one of {value}"),
        ("not_in", _) => format!("is none of {value}"),
        (operator, _) => format!("{} {value}", operator.replace('_', " ")),
    }
}
