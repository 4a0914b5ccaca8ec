//! What was typed → what it means: sections to parts of the plan. Every problem is collected; nothing stops early.

mod access;
mod address;
mod admin;
mod answer;
mod certificates;
mod client_certificates;
mod from;
mod headers;
mod identity;
mod limits;
mod listener;
mod mcp;
mod pem;
mod provider;
mod rewrite;
mod route;
mod secrets;
mod shadow;
mod sub_policies;
mod to;
mod upgrades;
mod upstream_tls;
mod url;

use std::sync::Arc;

use tracing::level_filters::LevelFilter;

use super::section::Desk;
use super::sections::Sections;
use crate::http::path::PathRules;
use crate::plan::certificate::Index;
use crate::plan::client_certificate;
use crate::plan::identity::Identity;
use crate::plan::route::Table;
use crate::plan::{Plan, route::HostRule};
pub(super) use secrets::Fallback;

/// Turns what was typed into a plan. `None` only together with a collected error.
pub(super) fn check(
    sections: &Sections,
    fallback: &Fallback,
    generation: u64,
    desk: &Desk,
) -> Option<(Plan, LevelFilter)> {
    let listener = listener::listener(&sections.listener, desk);
    let certificates = certificates::index(&sections.certificate, listener.insecure, desk);
    let identity = identity::parts(&sections.identity, desk);
    let client_certificates = client_certificates::settings(&sections.client_certificate, listener.insecure, desk);
    let path_rules = listener::path_rules(&sections.listener, desk);
    let (routes, client_certificates) = routes(sections, &certificates, client_certificates, path_rules, desk);
    across(sections, &identity, &certificates, listener.insecure, &routes, desk);
    let (logs, level) = listener::logs(&sections.listener, desk);
    let field_rules = listener::field_rules(&sections.listener, desk);
    let identity = whole_identity(sections, identity, fallback, desk);
    let plan = Plan {
        generation,
        // Known once every named file has been read.
        checksum: 0,
        listener,
        certificates,
        client_certificates,
        routes: Table::new(routes.into_iter().map(|checked| checked.route).collect()),
        identity: identity?,
        timeouts: listener::timeouts(&sections.listener),
        limits: limits::limits(&sections.listener.limits, desk),
        path_rules,
        field_rules,
        logs,
    };
    Some((plan, level))
}

fn routes<'s>(
    sections: &'s Sections,
    certificates: &Index,
    client_certificates: client_certificates::Settings,
    path_rules: PathRules,
    desk: &Desk,
) -> (Vec<route::Checked<'s>>, client_certificate::Index) {
    let with_hsts = !certificates.is_empty();
    let mut common = route::Common {
        clients: upstream_tls::Clients::new(),
        client_certificates,
        response_headers: headers::on_responses(&sections.response_headers, with_hsts, desk),
        pass_identity: listener::on(&sections.pass_identity_headers, false),
        upstream_timeout: listener::upstream_timeout(&sections.listener),
        request_body_max: limits::request_body(&sections.listener.limits.request_body, None),
        upgrades: upgrades::names(&sections.listener.allow_upgrades, desk),
        path_rules,
    };
    let routes: Vec<_> =
        sections.routes.iter().filter_map(|section| route::route(section, &mut common, desk)).collect();
    let compiled = routes.iter().map(|checked| &checked.route);
    let index = client_certificates::index(&sections.client_certificate, &common.client_certificates, compiled, desk);
    (routes, index)
}

/// What can only be seen with the parts side by side.
fn across(
    sections: &Sections,
    identity: &identity::Parts,
    certificates: &Index,
    insecure: bool,
    routes: &[route::Checked<'_>],
    desk: &Desk,
) {
    shadow::warn(routes, desk);
    let hosts: Vec<String> = routes.iter().map(route::Checked::host).collect();
    if !insecure {
        let authenticate = sections.identity.authenticate_url.as_ref();
        let own = identity.authenticate.as_ref().and_then(|url| url.host_str()).zip(authenticate);
        let of_routes = hosts.iter().map(String::as_str).zip(routes.iter().map(|checked| checked.from));
        certificates::covers(certificates, of_routes.chain(own), desk);
    }
    answer::circles(routes, insecure, desk);
    let exact: Vec<&str> = routes
        .iter()
        .filter_map(|checked| match &checked.route.from.host {
            HostRule::Exact(host) => Some(&**host),
            HostRule::Wildcard(_) => None,
        })
        .collect();
    identity::cookie_covers(&identity.cookie, &sections.identity.cookie.domain, &exact, desk);
    let any_private = routes.iter().any(|checked| checked.route.policy.needs_session());
    identity::provider_is_needed(identity, any_private, desk);
}

fn whole_identity(sections: &Sections, parts: identity::Parts, fallback: &Fallback, desk: &Desk) -> Option<Identity> {
    let section = &sections.identity;
    let (shared_secret, cookie_secret) =
        secrets::secrets(&section.shared_secret, &section.cookie_secret, fallback, desk);
    let signer = secrets::signer(&section.signing_key, &shared_secret, desk);
    let (session_sealer, url_signer) = Identity::tools(&shared_secret);
    Some(Identity {
        shared_secret,
        cookie_secret,
        cookie: parts.cookie,
        authenticate: parts.authenticate,
        provider: parts.provider.map(Arc::new),
        signer: signer?,
        claim_headers: parts.claim_headers,
        signout_redirect: parts.signout_redirect,
        programmatic_domains: parts.programmatic_domains,
        session_sealer,
        url_signer,
    })
}
