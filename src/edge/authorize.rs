//! May this pass: one function call on the worker that holds the connection.

use std::borrow::Cow;

use super::exchange::Exchange;
use super::failure::Failure;
use super::worker::Worker;
use crate::http::fields::FieldKind;
use crate::http::page::{Speaks, speaks};
use crate::http::path;
use crate::plan::policy::{Decision, Facts, Verdict};
use crate::plan::route::Route;
use crate::plan::sign_in;
use crate::telemetry::authorize_log::{self, Check};

/// Decides; everything but "allowed" is a failure.
pub fn decide(worker: &Worker, exchange: &Exchange) -> Result<(), Failure> {
    let Some(route) = exchange.route() else { return Err(Failure::NoPath) };
    let decoded = decoded_path(exchange);
    let facts = facts(worker, exchange, &decoded);
    let decision = route.policy.decide(&facts);
    if exchange.plan.logs.authorize {
        log(exchange, route, &decision);
    }
    let reason = decision.reasons().iter().next().map_or("", |reason| reason.as_str());
    match decision.verdict {
        Verdict::Allow => {
            exchange.cells.decision(route.index, "allow", reason);
            Ok(())
        }
        Verdict::SignIn => {
            exchange.cells.decision(route.index, "sign_in", reason);
            Err(sign_in(worker, exchange))
        }
        // There are no pages yet on which a device could be shown, so this is as final as the wrong device.
        Verdict::ShowDevice => {
            exchange.cells.decision(route.index, "deny", reason);
            Err(Failure::Denied { status: 450, conditions: Vec::new() })
        }
        Verdict::Deny(status) => {
            exchange.cells.decision(route.index, "deny", reason);
            let conditions = if route.show_error_details { route.policy.failing(&facts) } else { Vec::new() };
            Err(Failure::Denied { status, conditions })
        }
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
        cors_preflight: exchange.method() == "OPTIONS"
            && exchange.head.first(FieldKind::Origin).is_some()
            && exchange.head.first(FieldKind::AccessControlRequestMethod).is_some(),
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

/// A browser is sent to sign in; everyone else gets a 401 (`policy-language` section 6).
fn sign_in(worker: &Worker, exchange: &Exchange) -> Failure {
    let head = &exchange.head;
    let navigates = speaks(head.first(FieldKind::Accept), None, head.first(FieldKind::UserAgent)) == Speaks::Html
        && !exchange.session.by_token
        && exchange.normal.upgrade.is_none()
        && exchange.plan.identity.provider.is_some()
        && head.first(FieldKind::SecFetchMode).is_none_or(|mode| mode == b"navigate")
        && !head.pairs().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"x-requested-with") && value.eq_ignore_ascii_case(b"xmlhttprequest")
        });
    if !navigates {
        return Failure::Unauthenticated;
    }
    match url::Url::parse(&exchange.url()) {
        Ok(url) => Failure::SignIn(sign_in::location(&exchange.plan, &url, worker.clock.unix()).to_string()),
        Err(_) => Failure::Unauthenticated,
    }
}

fn log(exchange: &Exchange, route: &Route, decision: &Decision) {
    let session = exchange.session.known.as_ref().map(|known| &known.session);
    let allow: Vec<&'static str> = decision.allow.reasons.iter().map(|reason| reason.as_str()).collect();
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
        allow: decision.allow.value,
        allow_reasons: &allow,
        deny: decision.deny.value,
        deny_reasons: &deny,
    });
}
