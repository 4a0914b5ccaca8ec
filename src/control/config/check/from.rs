//! `from` and the path rules of a route.

use regex::{Regex, RegexBuilder};

use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::Route as Section;
use super::url;
use crate::http::authority;
use crate::http::path::{self, PathRules};
use crate::plan::route::{From, HostRule, PathRule};

/// Largest compiled expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// Longest expression as typed, in bytes.
const REGEX_TEXT_MAX: usize = 8 * 1024;
/// What stands in a path only as an escape, besides what is outside ASCII, and may be written plainly here.
const BEYOND_PATHS: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');

/// `from`, taken apart; problems are collected.
pub(super) fn from(typed: &Typed<String>, desk: &Desk) -> Option<From> {
    let text = typed.value.trim();
    let parts = match url::split(text) {
        Ok(parts) => parts,
        Err(error) => {
            desk.problems.add(typed.error(format!("config: policy bad source url {error}")));
            return None;
        }
    };
    match parts.scheme.as_str() {
        "https" => {}
        "http" => {
            let message = "`from` is http: the route answers on this host however the client connected";
            desk.problems.add(typed.warning(message).help("write https"));
        }
        "tcp+https" | "udp+https" | "ssh" | "tcp+http" | "udp+http" => {
            let message = format!("`from` with {}:// is not supported by this version yet", parts.scheme);
            desk.problems.add(typed.error(message));
            return None;
        }
        _ => {
            let message = format!("config: policy bad source url {text} url does not contain a valid scheme");
            desk.problems.add(typed.error(message).help("write `https://HOST`"));
            return None;
        }
    }
    if parts.has_path() {
        let message = format!(
            "config: policy source url ({text}) contains a path, but it should be set using the path field instead"
        );
        desk.problems.add(typed.error(message));
        return None;
    }
    let host = if parts.host.contains('*') {
        HostRule::Wildcard(host_pattern(&parts.host, typed, desk)?)
    } else {
        HostRule::Exact(host(&parts.bracketed_host(), typed, desk)?)
    };
    let default_port = if parts.scheme == "http" { 80 } else { 443 };
    Some(From { url: text.into(), host, port: parts.port, default_port })
}

/// The host in the very form to which requests are brought.
fn host(host: &str, typed: &Typed<String>, desk: &Desk) -> Option<Box<str>> {
    let parsed = authority::parse(host.as_bytes());
    let refused = |e| desk.problems.add(typed.error(format!("config: policy bad source url {}: {e}", typed.value)));
    parsed.map(|authority| authority.host.as_ref().into()).map_err(refused).ok()
}

/// A host in which each `*` stands for anything.
fn host_pattern(host: &str, typed: &Typed<String>, desk: &Desk) -> Option<Regex> {
    let inner: Vec<String> = host.split('*').map(regex::escape).collect();
    let built = RegexBuilder::new(&format!(r"\A{}\z", inner.join("(.*)"))).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|e| desk.problems.add(typed.error(format!("config: policy bad source url {host}: {e}")))).ok()
}

/// Which paths the route takes: regex before path before prefix.
pub(super) fn path_rule(section: &Section, rules: &PathRules, desk: &Desk) -> Option<PathRule> {
    let given = |opt: &Opt<String>| opt.clone().filter(|typed| !typed.value.is_empty());
    let (regex, path, prefix) = (given(&section.regex), given(&section.path), given(&section.prefix));
    for (winner, loser) in [(&regex, &path), (&regex, &prefix), (&path, &prefix)] {
        if let (Some(winner), Some(loser)) = (winner, loser) {
            let message = format!("`{}` has no effect beside `{}`", loser.path, winner.path);
            desk.problems.add(loser.warning(message));
        }
    }
    if let Some(typed) = regex {
        return path_pattern(&typed, desk).map(PathRule::Regex);
    }
    let (rule, typed): (fn(Box<str>) -> PathRule, _) = match (path, prefix) {
        (Some(typed), _) => (PathRule::Exact, typed),
        (None, Some(typed)) => (PathRule::Prefix, typed),
        (None, None) => return Some(PathRule::All),
    };
    let spelt = spelt(&typed, rules, desk);
    if let PathRule::Exact(path) = rule(spelt.clone()) {
        reachable(&typed, &path, rules, desk);
    }
    Some(rule(spelt))
}

/// A path or prefix with its escapes spelt as in the paths that it is compared with. One that no path can begin with stays
/// as it is.
fn spelt(typed: &Typed<String>, rules: &PathRules, desk: &Desk) -> Box<str> {
    let text = &typed.value;
    if !text.starts_with('/') {
        let message = format!("`{}`: {text:?} matches no path, since every path begins with `/`", typed.path);
        desk.problems.add(typed.warning(message).help(format!("write `/{text}`")));
        return text.as_str().into();
    }
    // People write `/café`; clients ask for `/caf%C3%A9`.
    let escaped = percent_encoding::utf8_percent_encode(text, BEYOND_PATHS).to_string();
    path::spell(escaped.as_bytes(), rules).map_or_else(
        |error| {
            desk.problems.add(typed.warning(format!("`{}`: {text:?} matches no path: {error}", typed.path)));
            text.as_str().into()
        },
        Into::into,
    )
}

/// Warns of a whole path that no request can have, because it is not in normal form.
fn reachable(typed: &Typed<String>, spelt: &str, rules: &PathRules, desk: &Desk) {
    if let Ok(normal) = path::normalize(spelt.as_bytes(), rules)
        && normal.as_str() != spelt
    {
        let message = format!("`{}`: {:?} matches no path in normal form", typed.path, typed.value);
        desk.problems.add(typed.warning(message).help(format!("write `{}`", normal.as_str())));
    }
}

/// The expression, made to match whole paths only.
fn path_pattern(typed: &Typed<String>, desk: &Desk) -> Option<Regex> {
    compiled(typed, desk, |text| {
        // Alone first: an unbalanced expression must not become balanced by what is put around it. The line end closes
        // a comment of the `x` flag.
        build(text).and_then(|_| build(&format!(r"\A(?:{text})\z")).or_else(|_| build(&format!("\\A(?:{text}\n)\\z"))))
    })
}

/// The expression as it is, to be looked for anywhere.
pub(super) fn expression(typed: &Typed<String>, desk: &Desk) -> Option<Regex> {
    compiled(typed, desk, build)
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build()
}

/// The expression of bounded length and size, or its problem.
fn compiled(typed: &Typed<String>, desk: &Desk, build: impl Fn(&str) -> Result<Regex, regex::Error>) -> Option<Regex> {
    let text = &typed.value;
    if text.len() > REGEX_TEXT_MAX {
        let message = format!("`{}`: the expression is longer than {REGEX_TEXT_MAX} bytes", typed.path);
        desk.problems.add(typed.error(message));
        return None;
    }
    match build(text) {
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(limit)) => {
            let message = format!("`{}`: the expression needs more than {limit} bytes once compiled", typed.path);
            desk.problems.add(typed.error(message));
            None
        }
        Err(error) => {
            let message = format!("`{}`: invalid expression: {}", typed.path, reason(&error));
            desk.problems.add(typed.error(message));
            None
        }
    }
}

/// The last line of the library's drawing of an error.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::problem::Spot;

    fn typed(text: &str) -> Typed<String> {
        Typed { value: text.into(), path: "regex".into(), spot: Spot::default() }
    }

    #[test]
    fn expressions_match_whole_paths() {
        let desk = Desk::default();
        for (pattern, path, expected) in [
            ("/a.*", "/abc", true),
            ("/a", "/ab", false),
            ("/a|/b", "/b", true),
            ("/a|/b", "/bc", false),
            ("^/a$", "/a", true),
            ("(?x) /a  # comment", "/a", true),
            ("/a.b", "/a\nb", false),
        ] {
            assert_eq!(path_pattern(&typed(pattern), &desk).unwrap().is_match(path), expected, "{pattern} {path}");
        }
        assert!(!desk.problems.has_errors());
    }

    #[test]
    fn bad_and_huge_expressions_are_refused() {
        for (pattern, part) in [
            ("(", "unclosed group"),
            ("/a)|(?:/b", "unopened group"),
            ("(?=x)", "look-around"),
            ("(a{1000}){1000}", "once compiled"),
            (&"a".repeat(REGEX_TEXT_MAX + 1), "longer than"),
        ] {
            let desk = Desk::default();
            assert!(path_pattern(&typed(pattern), &desk).is_none());
            let message = desk.problems.finish(None, "").list.remove(0).message;
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_star_in_a_host_stands_for_anything() {
        let desk = Desk::default();
        let wildcard = |url: &str| match from(&typed(url), &desk).unwrap().host {
            HostRule::Wildcard(pattern) => pattern,
            HostRule::Exact(host) => panic!("a wildcard was expected, not {host}"),
        };
        let pattern = wildcard("https://a-*.x.example");
        assert!(pattern.is_match("a-1.2.x.example"));
        assert!(!pattern.is_match("a-1.xxexample") && !pattern.is_match("b.a-1.x.example"));
    }
}
