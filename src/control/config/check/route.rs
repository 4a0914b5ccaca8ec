//! One route, put together from its parts.

use std::sync::Arc;
use std::time::Duration;

use super::super::hash::Fnv;
use super::super::problem::Finding;
use super::super::section::{Desk, Opt, Typed};
use super::super::sections::route::Route as Section;
use super::headers::{self, Fields};
use super::listener::{FOREVER, on};
use super::to::{self, To};
use super::upstream_tls::Clients;
use super::{access, answer, client_certificates, from, limits, mcp, rewrite, upgrades};
use crate::http::path::PathRules;
use crate::plan::route::upgrades::Upgrades;
use crate::plan::route::{Action, HostRule, Route};

/// Longest part of a route's default name that is taken from `from`.
const SLUG_BYTES_MAX: usize = 64;

/// The default of `idle_timeout`, as Envoy's for streams.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// What all routes share.
pub(super) struct Common {
    pub(super) clients: Clients,
    pub(super) client_certificates: client_certificates::Settings,
    /// `None`: turned off everywhere.
    pub(super) response_headers: Option<Fields>,
    pub(super) pass_identity: bool,
    pub(super) upstream_timeout: Option<Duration>,
    pub(super) request_body_max: Option<u64>,
    /// `allow_upgrades`.
    pub(super) upgrades: Vec<Box<str>>,
    /// How the paths of requests are brought to normal form.
    pub(super) path_rules: PathRules,
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
    let path = from::path_rule(section, &common.path_rules, desk);
    if !section.has_answer {
        let message = "config: policy should have either `to` or `redirect` or `response` defined";
        desk.problems.add(Finding::error(&section.spot, &section.path_of_route, message));
    }
    let whole = Typed { value: (), path: section.path_of_route.clone(), spot: section.spot.clone() };
    let client_terms = common.client_certificates.of_route(&section.access.client_ca, desk);
    let policy = access::policy(&section.access, &whole, client_terms.as_ref().and_then(Option::as_deref), desk);
    let id = id(section);
    let name = name(section, id);
    let targets = to::targets(section, desk);
    let of_target = targets.as_ref().and_then(|to| to.path.clone());
    let path_rewrite = rewrite::path(&section.rewrite, of_target.as_ref(), desk);
    let host_rewrite = rewrite::host(&section.rewrite, desk);
    let upgrades = upgrades::upgrades(&section.upstream, &common.upgrades, desk);
    let action = action(section, &name, targets, &upgrades, common, desk);
    let mcp = mcp::server(section.mcp.as_ref(), desk);
    let is_long_lived = upgrades.allows_websocket() || mcp.is_some();
    let (timeout, idle_timeout) = timeouts(section, is_long_lived, common.upstream_timeout);
    let route = Route {
        index: 0,
        id,
        name,
        from: from?,
        path: path?,
        action: action?,
        policy: policy?,
        client_terms: client_terms?,
        path_rewrite,
        host_rewrite: host_rewrite?,
        request_headers_set: headers::set_on_request(&section.set_request_headers, desk),
        request_headers_removed: headers::removed_from_request(&section.remove_request_headers, desk),
        response_headers: headers::on_route_responses(&common.response_headers, &section.set_response_headers, desk),
        response_rewrites: headers::response_rewrites(&section.rewrite_response_headers, desk),
        pass_identity: on(&section.pass_identity_headers, common.pass_identity),
        upgrades,
        timeout,
        timeout_is_default: section.upstream.timeout.is_none(),
        idle_timeout,
        request_body_max: limits::request_body(&section.max_request_body_bytes, common.request_body_max),
        mcp,
        show_error_details: on(&section.show_error_details, false),
    };
    Some(Checked { route, section, from: source? })
}

/// `to`, `redirect` or `response`; exactly one of them.
fn action(
    section: &Section,
    name: &str,
    targets: Option<To>,
    upgrades: &Upgrades,
    common: &mut Common,
    desk: &Desk,
) -> Option<Action> {
    let redirect = section.redirect.as_ref().map(|typed| (&typed.whole, answer::redirect(typed, desk)));
    let response = section.response.as_ref().map(|typed| (&typed.whole, answer::response(typed, desk)));
    let named = [
        section.to.as_ref().map(|typed| typed.with(())),
        redirect.as_ref().map(|r| r.0.clone()),
        response.as_ref().map(|r| r.0.clone()),
    ];
    let mut named = named.into_iter().flatten();
    if let (Some(first), Some(second)) = (named.next(), named.next()) {
        let message = format!("`{}` cannot stand beside `{}`: a route does one of them", second.path, first.path);
        desk.problems.add(second.error(message).related(&first.spot, "the other one"));
        return None;
    }
    if let Some((_, redirect)) = redirect {
        return redirect.map(Action::Redirect);
    }
    if let Some((_, response)) = response {
        return response.map(Action::Respond);
    }
    let cluster = to::cluster(section, name, targets?, upgrades, &mut common.clients, desk);
    cluster.map(|cluster| Action::Forward(Arc::new(cluster)))
}

fn source<'s>(section: &'s Section, desk: &Desk) -> Option<&'s Typed<String>> {
    if section.from.is_none() {
        let message = "config: policy bad source url url cannot be empty";
        let finding = Finding::error(&section.spot, format!("{}.from", section.path_of_route), message);
        desk.problems.add(finding.help("every route needs `from: https://HOST`"));
    }
    section.from.as_ref()
}

/// For the whole response, and between two reads. A route that lets WebSockets through, or leads to an MCP server, has no
/// limit unless it names one; 0 means no limit.
fn timeouts(section: &Section, is_long_lived: bool, default: Option<Duration>) -> (Option<Duration>, Option<Duration>) {
    let limit = |typed: &Opt<Duration>, default: Option<Duration>| match typed {
        Some(typed) => (!typed.value.is_zero()).then(|| typed.value.min(FOREVER)),
        None => default.filter(|_| !is_long_lived),
    };
    (limit(&section.upstream.timeout, default), limit(&section.upstream.idle_timeout, Some(IDLE_TIMEOUT)))
}

/// A hash of from, prefix, path, regex and to, redirect or response.
fn id(section: &Section) -> u64 {
    let text = |opt: &Option<Typed<String>>| opt.as_ref().map_or("", |typed| typed.value.trim()).to_owned();
    let mut sum = Fnv::new();
    for part in [&section.from, &section.prefix, &section.path, &section.regex] {
        sum = sum.part(text(part).as_bytes());
    }
    for target in section.to.iter().flat_map(|typed| &typed.value) {
        sum = sum.part(target.url.value.trim().as_bytes()).part(&target.weight.unwrap_or(0).to_le_bytes());
    }
    if let Some(redirect) = &section.redirect {
        let number = |opt: &Option<Typed<u64>>| opt.as_ref().map_or(0, |typed| typed.value).to_le_bytes();
        let flag = |opt: &Option<Typed<bool>>| [u8::from(on(opt, false))];
        for part in [&redirect.scheme, &redirect.host, &redirect.path, &redirect.prefix] {
            sum = sum.part(text(part).as_bytes());
        }
        sum = sum.part(&number(&redirect.port)).part(&number(&redirect.status));
        sum = sum.part(&flag(&redirect.https)).part(&flag(&redirect.strip_query));
    }
    if let Some(response) = &section.response {
        let status = response.status.as_ref().map_or(0, |typed| typed.value);
        sum = sum.part(&status.to_le_bytes()).part(text(&response.body).as_bytes());
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
