//! One route, put together from its parts.

use std::sync::Arc;
use std::time::Duration;

use super::super::hash::Fnv;
use super::super::problem::Finding;
use super::super::section::{Desk, Typed};
use super::super::sections::route::Route as Section;
use super::headers::{self, Fields};
use super::listener::{FOREVER, on};
use super::upstream_tls::Clients;
use super::{access, from, limits, to};
use crate::plan::route::{HostRule, Route};

/// Longest part of a route's default name that is taken from `from`.
const SLUG_BYTES_MAX: usize = 64;

/// What all routes share.
pub(super) struct Common {
    pub(super) clients: Clients,
    /// `None`: turned off everywhere.
    pub(super) response_headers: Option<Fields>,
    pub(super) pass_identity: bool,
    pub(super) upstream_timeout: Option<Duration>,
    pub(super) request_body_max: Option<u64>,
}

/// A route and what is needed to talk about it.
pub(super) struct Checked<'s> {
    pub(super) route: Route,
    pub(super) section: &'s Section,
    pub(super) from: &'s Typed<String>,
}

impl Checked<'_> {
    /// The host: exact, or with its wildcard as written.
    pub(super) fn host(&self) -> String {
        match &self.route.from.host {
            HostRule::Exact(host) => host.to_string(),
            HostRule::Wildcard(_) => super::url::split(&self.from.value).map(|p| p.host).unwrap_or_default(),
        }
    }
}

/// Checks every part of a route, so that all its problems are collected; `None` when any was an error.
pub(super) fn route<'s>(section: &'s Section, common: &mut Common, desk: &Desk) -> Option<Checked<'s>> {
    let source = source(section, desk);
    let from = source.and_then(|typed| from::from(typed, desk));
    let path = from::path_rule(section, desk);
    if !section.has_answer {
        let message = "config: policy should have either `to` or `redirect` or `response` defined";
        desk.problems.add(Finding::error(&section.spot, &section.path_of_route, message));
    }
    let targets = to::targets(section, desk);
    let whole = Typed { value: (), path: section.path_of_route.clone(), spot: section.spot.clone() };
    let policy = access::policy(&section.access, &whole, desk);
    let id = id(section);
    let name = name(section, id);
    let cluster = targets.and_then(|targets| to::cluster(section, &name, targets, &mut common.clients, desk));
    let request_headers_set = headers::set_on_request(&section.set_request_headers, desk);
    let request_headers_removed = headers::removed_from_request(&section.remove_request_headers, desk);
    let response_headers = headers::on_route_responses(&common.response_headers, &section.set_response_headers, desk);
    let websockets = on(&section.upstream.websockets, false);
    let route = Route {
        index: 0,
        id,
        name,
        from: from?,
        path: path?,
        cluster: Arc::new(cluster?),
        policy: policy?,
        request_headers_set,
        request_headers_removed,
        response_headers,
        pass_identity: on(&section.pass_identity_headers, common.pass_identity),
        preserve_host: on(&section.upstream.preserve_host, false),
        websockets,
        timeout: timeout(section, websockets, common.upstream_timeout),
        request_body_max: limits::request_body(&section.max_request_body_bytes, common.request_body_max),
        show_error_details: on(&section.show_error_details, false),
    };
    Some(Checked { route, section, from: source? })
}

fn source<'s>(section: &'s Section, desk: &Desk) -> Option<&'s Typed<String>> {
    if section.from.is_none() {
        let message = "config: policy bad source url url cannot be empty";
        let finding = Finding::error(&section.spot, format!("{}.from", section.path_of_route), message);
        desk.problems.add(finding.help("every route needs `from: https://HOST`"));
    }
    section.from.as_ref()
}

/// A route that lets WebSockets through has no limit unless it names one; 0 means no limit.
fn timeout(section: &Section, websockets: bool, default: Option<Duration>) -> Option<Duration> {
    match &section.upstream.timeout {
        Some(typed) => (!typed.value.is_zero()).then(|| typed.value.min(FOREVER)),
        None if websockets => None,
        None => default,
    }
}

/// A hash of from, prefix, path, regex and to.
fn id(section: &Section) -> u64 {
    let text = |opt: &Option<Typed<String>>| opt.as_ref().map_or("", |typed| typed.value.trim()).to_owned();
    let mut sum = Fnv::new();
    for part in [&section.from, &section.prefix, &section.path, &section.regex] {
        sum = sum.part(text(part).as_bytes());
    }
    for target in section.to.iter().flat_map(|typed| &typed.value) {
        sum = sum.part(target.url.value.trim().as_bytes()).part(&target.weight.unwrap_or(0).to_le_bytes());
    }
    sum.sum()
}

/// The configured name, else a slug of `from` and six hex digits of the id.
fn name(section: &Section, id: u64) -> Box<str> {
    if let Some(typed) = section.name.as_ref().filter(|typed| !typed.value.trim().is_empty()) {
        return typed.value.trim().into();
    }
    let from = section.from.as_ref().map_or("", |typed| typed.value.trim());
    let host = from.split_once("://").map_or(from, |(_, rest)| rest);
    let mut slug = String::new();
    for c in host.chars().take(SLUG_BYTES_MAX) {
        let c = if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        if c != '-' || !slug.ends_with('-') {
            slug.push(c);
        }
    }
    format!("{}-{:06x}", slug.trim_matches('-'), id & 0x00ff_ffff).into()
}
