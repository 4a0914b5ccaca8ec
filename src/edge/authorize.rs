//! May this pass: one function call on the worker that holds the connection.

use std::borrow::Cow;

use super::exchange::Exchange;
use super::failure::Failure;
use super::message;
use super::worker::Worker;
use crate::http::fields::FieldKind;
use crate::http::page::{Speaks, speaks};
use crate::http::path;
use crate::plan::client_certificate::Standing;
use crate::plan::policy::{Decision, Facts, Verdict};
use crate::plan::route::Route;
use crate::plan::session::Session;
use crate::plan::sign_in::{self, DEVICE_PATH};
use crate::telemetry::authorize_log::{self, Check};

/// Decides; everything but "allowed" is a failure.
pub fn decide(worker: &Worker, exchange: &Exchange) -> Result<(), Failure> {
    let Some(route) = exchange.route() else { return Err(Failure::NoPath) };
    let decoded = decoded_path(exchange);
    let facts = facts(worker, exchange, &decoded);
    let decision = judge(exchange, exchange.plan.generation, route, &facts);
    if exchange.plan.logs.authorize {
        log(exchange, route, &decision);
    }
    let reason = decision.reasons().iter().next().map_or("", |reason| reason.as_str());
    let result = match decision.verdict {
        Verdict::Allow => "allow",
        Verdict::SignIn => "sign_in",
        Verdict::ShowDevice => "show_device",
        Verdict::Deny(_) => "deny",
    };
    exchange.cells.decision(route.index, result, reason);
    conclude(worker, exchange, route, &facts, decision.verdict)
}

fn conclude(
    worker: &Worker,
    exchange: &Exchange,
    route: &Route,
    facts: &Facts<'_>,
    verdict: Verdict,
) -> Result<(), Failure> {
    match verdict {
        Verdict::Allow => Ok(()),
        Verdict::SignIn => Err(sign_in(worker, exchange)),
        Verdict::ShowDevice => Err(show_device(exchange, route.policy.device_wanted(facts))),
        Verdict::Deny(status) => {
            let conditions = if route.show_error_details { route.policy.failing(facts) } else { Vec::new() };
            Err(Failure::Denied { status, conditions })
        }
    }
}

/// Whether what was let pass before may go on by `route`, which may be another plan's: its session and how its client's
/// certificate stands are those of now.
pub fn again(
    worker: &Worker,
    exchange: &Exchange,
    route: &Route,
    session: Option<&Session>,
    standing: Standing,
) -> Result<(), Failure> {
    let decoded = decoded_path(exchange);
    let session = session.filter(|_| route.policy.needs_session());
    let facts = Facts { session, standing, mcp: message::fact(exchange), ..facts(worker, exchange, &decoded) };
    let verdict = route.policy.decide(&facts).verdict;
    conclude(worker, exchange, route, &facts, verdict)
}

/// What the session alone decides is decided once for it, in the plan of this `generation`.
fn judge(exchange: &Exchange, generation: u64, route: &Route, facts: &Facts<'_>) -> Decision {
    match &exchange.session.known {
        Some(known) if route.policy.needs_session() => {
            let residual = known.residuals.of(generation, route, &known.session);
            route.policy.decide_rest(&residual, facts)
        }
        _ => route.policy.decide(&Facts { session: None, ..*facts }),
    }
}

fn facts<'e>(worker: &Worker, exchange: &'e Exchange, decoded: &'e str) -> Facts<'e> {
    Facts {
        session: exchange.session.known.as_ref().map(|known| &*known.session),
        method: exchange.method(),
        path: decoded,
        source: exchange.source,
        certificate: exchange.client.certificate.as_ref().map(|shown| &shown.leaf),
        standing: exchange.standing,
        now: worker.clock.unix(),
        mcp: exchange.message.fact(),
        cors_preflight: exchange.method() == "OPTIONS"
            && exchange.head.first(FieldKind::Origin).is_some()
            && exchange.head.first(FieldKind::AccessControlRequestMethod).is_some(),
        ..Facts::default()
    }
}

/// Policies see the percent-decoded path.
fn decoded_path(exchange: &Exchange) -> Cow<'_, str> {
    let encoded = exchange.path();
    if !encoded.contains('%') {
        return encoded.into();
    }
    match path::normalize(encoded.as_bytes(), &exchange.plan.path_rules) {
        Ok(path) => path.decoded().into_owned().into(),
        Err(_) => encoded.into(),
    }
}

/// A browser is sent to sign in; everyone else gets a 401.
pub fn sign_in(worker: &Worker, exchange: &Exchange) -> Failure {
    match url::Url::parse(&exchange.url()) {
        Ok(url) if exchange.plan.identity.provider.is_some() && navigates(exchange) => {
            Failure::SignIn(sign_in::location(&exchange.plan, &url, worker.clock.unix()).to_string())
        }
        _ => Failure::Unauthenticated,
    }
}

/// A browser is sent to the page about devices, on the same host; everyone else gets a 401.
fn show_device(exchange: &Exchange, kind: Option<&str>) -> Failure {
    if !navigates(exchange) {
        return Failure::Unauthenticated;
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("pomerium_device_type", kind.unwrap_or_default());
    Failure::ShowDevice(format!("{DEVICE_PATH}?{}", query.finish()))
}

/// Whether a person with a browser is on the way to a page, who can be redirected.
fn navigates(exchange: &Exchange) -> bool {
    let head = &exchange.head;
    let speaks = speaks(head.first(FieldKind::Accept), exchange.content_type(), head.first(FieldKind::UserAgent));
    speaks == Speaks::Html
        && !exchange.session.by_token
        && exchange.normal.upgrade.is_none()
        && exchange.route().is_none_or(|route| route.mcp.is_none())
        && head.first(FieldKind::SecFetchMode).is_none_or(|mode| mode == b"navigate")
        && !head.pairs().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"x-requested-with") && value.eq_ignore_ascii_case(b"xmlhttprequest")
        })
}

fn log(exchange: &Exchange, route: &Route, decision: &Decision) {
    let session = exchange.session.known.as_ref().map(|known| &known.session);
    // A body that is no message refuses what the rules would allow, and the line says what was decided.
    let is_refused_unread = decision.is_unread
        && decision.allow.value
        && !decision.deny.value
        && matches!(decision.verdict, Verdict::Deny(_));
    let allow_reasons = if is_refused_unread { decision.reasons() } else { decision.allow.reasons };
    let allow: Vec<&'static str> = allow_reasons.iter().map(|reason| reason.as_str()).collect();
    let deny: Vec<&'static str> = decision.deny.reasons.iter().map(|reason| reason.as_str()).collect();
    authorize_log::write(&Check {
        request_id: &exchange.request_id,
        method: exchange.method(),
        path: exchange.path(),
        host: exchange.host(),
        ip: exchange.source,
        session_id: session.map_or("", |s| &s.id),
        user: session.map_or("", |s| &s.user_id),
        email: session.map_or("", |s| &s.email),
        route_id: route.id,
        allow: decision.allow.value && !is_refused_unread,
        allow_reasons: &allow,
        deny: decision.deny.value,
        deny_reasons: &deny,
    });
}
