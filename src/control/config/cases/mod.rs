//! Files of policy tests, read by the same means as configurations: who asks for what, and what must come of it.

mod expectation;
mod people;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::nearest::nearest;
use super::problem::{Finding, Place, Problems, Spot};
use super::section::{Desk, Section, Typed, mismatch};
use super::source;
use super::text::{
    self,
    tree::{Entry, Tree, Value},
};
use crate::control::why::Who;
use crate::plan::client_certificate::Standing;
pub use expectation::{Expectation, Expected};

/// Most cases of one file, those that a list of people makes counted one by one.
pub const CASES_MAX: usize = 10_000;

const FILE_KEYS: [&str; 3] = ["config", "people", "cases"];
#[rustfmt::skip]
const CASE_KEYS: [&str; 14] = [
    "name", "who", "route", "url", "method", "path", "ip", "preflight", "time", "mcp_tool", "certificate", "expect",
    "status", "reasons",
];

/// One file of tests.
#[derive(Debug)]
pub struct TestFile {
    /// The configuration that is meant, relative to the file.
    pub config: Option<PathBuf>,
    pub cases: Vec<TestCase>,
}

/// One question with the answer that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    pub name: String,
    pub place: Place,
    pub who: Who,
    /// A route's name, id or position, or a URL.
    pub target: String,
    pub path: Option<String>,
    pub method: String,
    pub source: IpAddr,
    pub preflight: bool,
    /// Unix seconds; `None`: now.
    pub time: Option<i64>,
    /// The tool that an MCP server is asked to call.
    pub tool: Option<String>,
    /// The client certificate, where the route asks for one.
    pub certificate: Standing,
    pub expected: Expectation,
}

/// Reads a file of tests. Every problem is collected.
pub fn read(file: &Path) -> Result<TestFile, Problems> {
    let desk = Desk::default();
    let text = match source::text(file) {
        Ok(text) => text,
        Err(error) => {
            desk.problems.add(Finding::error(&Spot::default(), "", format!("failed to read tests: {error}")));
            return Err(desk.problems.finish(None, ""));
        }
    };
    let found = of_text(&text, file, &desk);
    let has_errors = desk.problems.has_errors();
    match found {
        Some(found) if !has_errors => Ok(found),
        _ => Err(desk.problems.finish(Some(file), &text)),
    }
}

fn of_text(text: &str, file: &Path, desk: &Desk) -> Option<TestFile> {
    let tree = text::parse(text, &desk.problems)?;
    let Value::Map(entries) = &tree.value else {
        let message = format!("expected `cases:` and a list of them, found {}", tree.kind());
        desk.problems.add(Finding::error(&tree.spot, "", message).help(SHAPE));
        return None;
    };
    let section = Section::new(entries, "", &tree.spot, desk);
    known(&section, &FILE_KEYS);
    let beside = |name: String| file.parent().unwrap_or(Path::new("")).join(name);
    let config = section.text("config").map(|typed| beside(typed.value));
    let people = people::read(&section);
    let mut cases = Vec::new();
    match section.tree("cases") {
        Some(Typed { value: Tree { value: Value::List(list), .. }, path, .. }) => {
            for (index, tree) in list.iter().enumerate() {
                one(tree, &format!("{path}[{index}]"), &people, file, desk, &mut cases);
            }
        }
        Some(typed) => desk.problems.add(mismatch(&typed, "a list of cases").help(SHAPE)),
        None => desk.problems.add(Finding::error(&tree.spot, "cases", "the file has no `cases`").help(SHAPE)),
    }
    Some(TestFile { config, cases })
}

const SHAPE: &str = "write `cases: [{ who: { email: a@example.com }, route: NAME, expect: allow }]`";

/// One entry of `cases`; a list of people makes several of it.
fn one(tree: &Tree, path: &str, people: &people::People, file: &Path, desk: &Desk, cases: &mut Vec<TestCase>) {
    let Value::Map(entries) = &tree.value else {
        let typed = Typed { value: tree, path: path.to_owned(), spot: tree.spot.clone() };
        return desk.problems.add(mismatch(&typed, "a case (a map)").help(SHAPE));
    };
    let section = Section::new(entries, path, &tree.spot, desk);
    known(&section, &CASE_KEYS);
    let who = people.of_case(&section);
    let target = target(&section);
    let expected = expectation::read(&section);
    let (source, time, certificate) = (address(&section), moment(&section), certificate(&section));
    let (Some((target, spot)), Some(expected)) = (target, expected) else { return };
    let preflight = section.flag("preflight").is_some_and(|typed| typed.value);
    let method = section.text("method").map(|typed| typed.value);
    let asked = TestCase {
        name: section.text("name").map(|typed| typed.value).unwrap_or_default(),
        place: Place { file: file.to_owned(), line: spot.line, column: spot.column },
        who: Who::default(),
        path: section.text("path").map(|typed| typed.value),
        method: if preflight { "OPTIONS".to_owned() } else { method.unwrap_or_else(|| "GET".to_owned()) },
        source,
        preflight,
        time,
        certificate,
        tool: section.text("mcp_tool").map(|typed| typed.value),
        target,
        expected,
    };
    for (label, who) in who {
        if cases.len() >= CASES_MAX {
            let message = format!("there are more than {CASES_MAX} cases, the limit of one file");
            return desk.problems.add(Finding::error(&tree.spot, path, message).help("split the file"));
        }
        let name = match asked.name.as_str() {
            "" => format!("{label}: {} {}, {}", asked.method, asked.target, asked.expected.verdict.name()),
            name => name.to_owned(),
        };
        cases.push(TestCase { name, who, ..asked.clone() });
    }
}

/// Reports keys that mean nothing here: what is not understood must not count as tested.
fn known(section: &Section<'_>, keys: &[&'static str]) {
    for entry in section.entries() {
        if !keys.contains(&&*entry.key) {
            let finding = unknown(entry, section, keys);
            section.desk().problems.add(finding);
        }
    }
}

fn unknown(entry: &Entry, section: &Section<'_>, keys: &[&'static str]) -> Finding {
    let finding = Finding::error(&entry.spot, section.path_of(&entry.key), format!("unknown key `{}`", entry.key));
    finding.help(match nearest(&entry.key.to_ascii_lowercase(), keys.iter().copied()) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("expected one of {}", keys.join(", ")),
    })
}

/// `route` or `url`, and its place.
fn target(section: &Section<'_>) -> Option<(String, Spot)> {
    match (section.text("route"), section.text("url")) {
        (Some(one), None) | (None, Some(one)) => Some((one.value, one.spot)),
        (Some(_), Some(url)) => {
            section.desk().problems.add(url.error("`url` cannot stand beside `route`: it names a route already"));
            None
        }
        (None, None) => {
            let finding = Finding::error(&section.spot, section.path_of("route"), "the case names no route");
            section.desk().problems.add(finding.help("add `route: NAME` or `url: https://HOST/PATH`"));
            None
        }
    }
}

fn address(section: &Section<'_>) -> IpAddr {
    let nowhere = Ipv4Addr::UNSPECIFIED.into();
    let Some(typed) = section.text("ip") else { return nowhere };
    typed.value.parse::<IpAddr>().map(|ip| ip.to_canonical()).unwrap_or_else(|_| {
        let finding = typed.error(format!("{:?} is no IP address", typed.value));
        section.desk().problems.add(finding.help("write one address, such as `10.0.0.7`; a test comes from one place"));
        nowhere
    })
}

fn moment(section: &Section<'_>) -> Option<i64> {
    let typed = section.text("time")?;
    match OffsetDateTime::parse(&typed.value, &Rfc3339) {
        Ok(moment) => Some(moment.unix_timestamp()),
        Err(_) => {
            let finding = typed.error(format!("{:?} is no date and time with an offset", typed.value));
            section.desk().problems.add(finding.help("write it like `2026-12-24T18:00:00+01:00`"));
            None
        }
    }
}

fn certificate(section: &Section<'_>) -> Standing {
    let Some(typed) = section.text("certificate") else { return Standing::Missing };
    match typed.value.as_str() {
        "valid" => Standing::Valid,
        "invalid" => Standing::Invalid,
        "none" => Standing::Missing,
        other => {
            let finding = typed.error(format!("{other:?} is no kind of client certificate"));
            section.desk().problems.add(finding.help("one of valid, invalid, none"));
            Standing::Missing
        }
    }
}
