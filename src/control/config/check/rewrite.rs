//! What becomes of a request's path and host on their way to the upstream.

use std::borrow::Cow;

use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::Rewrite as Section;
use super::{from, headers};
use crate::http::authority;
use crate::http::fields;
use crate::http::path::{self, EscapedSlashes, PathRules};
use crate::plan::route::rewrite::{HostRewrite, PathRewrite, Substitution};

/// What was typed, unless it is empty.
fn given<T: AsRef<str>>(opt: &Opt<T>) -> Option<&Typed<T>> {
    opt.as_ref().filter(|typed| !typed.value.as_ref().trim().is_empty())
}

/// `prefix_rewrite`, else `regex_rewrite_*`, else the path in `to`; problems are collected.
pub(super) fn path(section: &Section, of_target: Option<&Typed<String>>, desk: &Desk) -> Option<PathRewrite> {
    let (prefix, pattern) = (given(&section.prefix), given(&section.pattern));
    if let (Some(_), Some(pattern)) = (prefix, pattern) {
        let message = "config: only prefix_rewrite or regex_rewrite_pattern can be specified, but not both";
        desk.problems.add(pattern.error(message));
        return None;
    }
    if let (None, Some(typed)) = (pattern, given(&section.substitution)) {
        desk.problems.add(typed.warning(format!("`{}` has no effect without a pattern", typed.path)));
    }
    match (prefix, pattern) {
        (Some(typed), _) => prefix_of(typed, typed.value.trim(), desk).map(PathRewrite::Prefix),
        (None, Some(typed)) => substitution(typed, &section.substitution, desk).map(PathRewrite::Regex),
        (None, None) => of_target.and_then(|typed| prefix_of(typed, &typed.value, desk)).map(PathRewrite::Prefix),
    }
}

/// A path to be put before another, in normal form.
pub(super) fn prefix_of(typed: &Typed<String>, text: &str, desk: &Desk) -> Option<Box<str>> {
    let rules = PathRules { escaped_slashes: EscapedSlashes::Keep, ..PathRules::default() };
    match path::normalize(text.as_bytes(), &rules).map(path::Path::into_encoded) {
        Ok(Cow::Borrowed(normal)) => Some(normal.into()),
        Ok(Cow::Owned(normal)) => Some(normal.into()),
        Err(error) => {
            desk.problems.add(typed.error(format!("`{}`: {error}, found {text:?}", typed.path)));
            None
        }
    }
}

fn substitution(pattern: &Typed<String>, text: &Opt<String>, desk: &Desk) -> Option<Substitution> {
    let compiled = from::expression(pattern, desk)?;
    let typed = text.as_ref().unwrap_or(pattern);
    let text = text.as_ref().map_or("", |typed| typed.value.as_str());
    let refused = |error| desk.problems.add(typed.error(format!("`{}`: {error}", typed.path)));
    Substitution::new(compiled, text).map_err(refused).ok()
}

/// The `Host` of the upstream: the first of the options in Pomerium's order; problems are collected.
pub(super) fn host(section: &Section, desk: &Desk) -> Option<HostRewrite> {
    let preserve = section.preserve_host.as_ref().filter(|typed| typed.value);
    let (literal, field, pattern) = (given(&section.host), given(&section.host_header), given(&section.host_pattern));
    let named: Vec<Typed<()>> = [literal, field, pattern]
        .into_iter()
        .flatten()
        .map(|typed| typed.with(()))
        .chain(preserve.map(|typed| typed.with(())))
        .collect();
    if let Some((winner, losers)) = named.split_first() {
        for loser in losers {
            let message = format!("`{}` has no effect beside `{}`", loser.path, winner.path);
            desk.problems.add(loser.warning(message));
        }
    }
    if let (None, Some(typed)) = (pattern, given(&section.host_substitution)) {
        desk.problems.add(typed.warning(format!("`{}` has no effect without a pattern", typed.path)));
    }
    match (literal, field, pattern, preserve) {
        (Some(typed), ..) => {
            let refused = |error| desk.problems.add(typed.error(format!("`{}`: {error}", typed.path)));
            let parsed = authority::parse(typed.value.trim().as_bytes()).map_err(refused).ok()?;
            Some(HostRewrite::Literal(parsed.to_string().into()))
        }
        (None, Some(typed), ..) => field_name(typed, desk).map(HostRewrite::Field),
        (None, None, Some(typed), _) => substitution(typed, &section.host_substitution, desk).map(HostRewrite::Path),
        (None, None, None, Some(_)) => Some(HostRewrite::Client),
        (None, None, None, None) => Some(HostRewrite::Endpoint),
    }
}

/// A field of the client's that may name the host.
fn field_name(typed: &Typed<String>, desk: &Desk) -> Option<Box<str>> {
    let name = typed.value.trim().to_ascii_lowercase();
    let identity = fields::canonical_is_identity(name.as_bytes());
    let wrong = headers::name_problem(&name)
        .or_else(|| identity.then(|| format!("the header {name:?} is never believed of a client")));
    match wrong {
        Some(message) => {
            desk.problems.add(typed.error(format!("`{}`: {message}", typed.path)));
            None
        }
        None => Some(name.into()),
    }
}
