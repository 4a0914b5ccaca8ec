//! Routes that can never be reached because an earlier one takes every request of theirs, and names that stand twice.

use std::collections::HashMap;

use super::super::lint::Lint;
use super::super::problem::Finding;
use super::super::section::Desk;
use super::route::Checked;
use crate::plan::route::PathRule;

/// Most routes of one host that are compared with each other.
const COMPARED_MAX: usize = 1000;

pub(super) fn warn(routes: &[Checked<'_>], desk: &Desk) {
    let mut by_host: HashMap<String, Vec<&Checked<'_>>> = HashMap::new();
    let mut by_name: HashMap<&str, &Checked<'_>> = HashMap::new();
    for later in routes {
        if let Some(earlier) = by_name.insert(&later.route.name, later) {
            let typed = later.section.name.as_ref().unwrap_or(later.from);
            let message = format!("the name {:?} stands for two routes in logs and metrics", later.route.name);
            let finding = Finding::lint(Lint::RouteNameTwice, &typed.spot, &typed.path, message);
            desk.problems.add(finding.related(&earlier.section.spot, "the other route"));
        }
        let same_host = by_host.entry(later.host()).or_default();
        if let Some(earlier) = same_host.iter().find(|earlier| shadows(earlier, later)) {
            let name = &earlier.route.name;
            let message = format!("the route is never reached: the earlier route {name:?} takes all of its requests");
            let finding = Finding::lint(Lint::RouteUnreachable, &later.from.spot, &later.from.path, message);
            let finding = finding.related(&earlier.from.spot, "the earlier route");
            desk.problems.add(finding.help("put the more specific route first"));
        } else if same_host.len() < COMPARED_MAX {
            same_host.push(later);
        }
    }
}

/// Whether every request for `later` is taken by `earlier`; both have the same host.
fn shadows(earlier: &Checked<'_>, later: &Checked<'_>) -> bool {
    let port = earlier.route.from.port.is_none() || earlier.route.from.port == later.route.from.port;
    port && covers(&earlier.route.path, &later.route.path)
}

fn covers(earlier: &PathRule, later: &PathRule) -> bool {
    match (earlier, later) {
        (PathRule::All, _) => true,
        (PathRule::Prefix(prefix), _) if **prefix == *"/" => true,
        (PathRule::Prefix(prefix), PathRule::Prefix(path) | PathRule::Exact(path)) => path.starts_with(&**prefix),
        (PathRule::Exact(exact), PathRule::Exact(path)) => exact == path,
        (PathRule::Regex(regex), PathRule::Exact(path)) => regex.is_match(path),
        (PathRule::Regex(regex), PathRule::Regex(other)) => regex.as_str() == other.as_str(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn wider_rules_cover_narrower_ones() {
        let prefix = |p: &str| PathRule::Prefix(p.into());
        let exact = |p: &str| PathRule::Exact(p.into());
        let regex = |p: &str| PathRule::Regex(Regex::new(p).unwrap());
        for (earlier, later, expected) in [
            (PathRule::All, regex("x"), true),
            (prefix("/"), PathRule::All, true),
            (prefix("/a"), prefix("/ab"), true),
            (prefix("/a"), exact("/a"), true),
            (prefix("/ab"), prefix("/a"), false),
            (exact("/a"), exact("/a"), true),
            (exact("/a"), prefix("/a"), false),
            (regex("^/a$"), exact("/a"), true),
            (regex("^/a$"), regex("^/a$"), true),
            (regex("^/.*$"), prefix("/a"), false),
        ] {
            assert_eq!(covers(&earlier, &later), expected, "{earlier:?} {later:?}");
        }
    }
}
