//! What is kept of a request when it is over: metrics and one log line, exactly once.

use std::borrow::Cow;

use super::exchange::Exchange;
use crate::http::fields::FieldKind;
use crate::plan::client_certificate::{Leaf, Names};
use crate::telemetry::access_log::{self, ClientCertificate, Record};

/// Counts and logs the exchange. Returns how long it took, in microseconds.
pub fn write(exchange: &Exchange) -> u64 {
    let duration_us = exchange.started.elapsed().as_micros() as u64;
    let route = exchange.route();
    let answer = &exchange.answer;
    // Streams are counted by the tunnel: an hour of WebSocket says nothing about how long requests take.
    if answer.status != 101 {
        exchange.cells.request(route.map(|route| route.index), answer.status, answer.source, duration_us, None);
    }
    if exchange.plan.logs.access {
        log(exchange, duration_us);
    }
    duration_us
}

fn log(exchange: &Exchange, duration_us: u64) {
    let route = exchange.route();
    let answer = &exchange.answer;
    let text = |kind| exchange.head.first(kind).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let upstream = exchange.upstream.map(|address| address.to_string());
    // The query of a referer may hold secrets, as our own query may.
    let referer = text(FieldKind::Referer).split('?').next().unwrap_or_default();
    let shown = exchange.client.certificate.as_deref().map(|shown| &shown.leaf);
    let names: Vec<String> = shown.map(names).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fingerprint = shown.map(Leaf::fingerprint_hex).unwrap_or_default();
    let client_certificate = shown.map(|leaf| ClientCertificate {
        issuer: &leaf.issuer,
        subject: &leaf.subject,
        names: &names,
        fingerprint: &fingerprint,
    });
    access_log::write(&Record {
        method: exchange.method(),
        authority: &authority(exchange),
        path: exchange.target_path(),
        user_agent: text(FieldKind::UserAgent),
        referer,
        forwarded_for: exchange.forwarded_for(),
        request_id: &exchange.request_id,
        ip: exchange.source,
        duration_us,
        size: answer.size,
        status: answer.status,
        details: answer.details,
        source: answer.source,
        route: route.map_or("", |route| &route.name),
        upstream: upstream.as_deref().unwrap_or_default(),
        client_certificate,
    });
}

/// The authority as the client named it, in normal form.
fn authority(exchange: &Exchange) -> Cow<'_, str> {
    let authority = exchange.authority();
    match authority.port {
        Some(_) => authority.to_string().into(),
        None => exchange.host().into(),
    }
}

/// The alternative names of a certificate, each with its kind in front.
fn names(leaf: &Leaf) -> Vec<String> {
    let Names { dns, email, uri, ip_address, .. } = &leaf.names;
    let kinds = [("DNS", dns), ("email", email), ("URI", uri), ("IP Address", ip_address)];
    kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind}:{name}"))).collect()
}
