//! Answers of our own: failures, redirects, `/ping`, and our pages as control returns them.

use bytes::Bytes;
use serde_json::json;

use super::codec::h1::After;
use super::codec::{Client, Whole};
use super::exchange::Exchange;
use super::failure::Failure;
use super::rewrite;
use super::worker::Worker;
use crate::http::fields::{FieldKind, is_token, value_is_clean};
use crate::http::framing::BodyLength;
use crate::http::page::failure::{Failure as Page, Hop, Link};
use crate::http::page::{CONTENT_SECURITY_POLICY, Speaks, speaks};
use crate::plan::route::Action;
use crate::telemetry::access_log::Source;

/// Marks answers that no upstream made.
pub const INTERCEPTED: &str = "x-pomerium-intercepted-response";

/// What a refused method might have been instead (RFC 9110 section 15.5.6).
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// For crawlers, on a host that they may not see.
const ROBOTS: &[u8] = b"User-agent: *\nDisallow: /";

/// An answer of our own.
struct Own<'a> {
    status: u16,
    fields: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
    close: bool,
}

/// `/ping` and `/healthz`: GET and HEAD.
pub async fn ping(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    let allowed = matches!(exchange.method(), "GET" | "HEAD");
    let (status, body): (u16, &[u8]) = if allowed { (200, b"OK\n") } else { (405, b"") };
    exchange.answered(status, Source::Portal, "ping");
    let mut fields = vec![("content-type", "text/plain; charset=utf-8")];
    if !allowed {
        fields.push(("allow", "GET, HEAD"));
    }
    let close = closes(worker, exchange);
    send(worker, client, exchange, Own { status, fields, body, close }).await
}

/// The answer of a route that has no upstream: `redirect` or `response`.
pub async fn by_route(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    let plan = exchange.plan.clone();
    let route = exchange.route_index.and_then(|index| plan.routes.at(index));
    let (route, location, status, body) = match route.map(|route| (route, &route.action)) {
        Some((route, Action::Redirect(redirect))) => {
            (route, Some(rewrite::location(exchange, route, redirect)), redirect.status, "")
        }
        Some((route, Action::Respond(reply))) => (route, None, reply.status, &*reply.body),
        _ => return Err(Failure::Internal("the route has no answer of its own")),
    };
    exchange.answered(status, Source::Route, if location.is_some() { "redirect" } else { "direct_response" });
    let mut fields: Vec<(&str, &str)> =
        route.response_headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let is_set = |name: &str| route.response_headers.iter().any(|(set, _)| &**set == name);
    if let Some(location) = location.as_deref().filter(|_| !is_set("location")) {
        fields.push(("location", location));
    } else if !body.is_empty() && !is_set("content-type") {
        fields.push(("content-type", "text/plain; charset=utf-8"));
    }
    let close = closes(worker, exchange);
    send(worker, client, exchange, Own { status, fields, body: body.as_bytes(), close }).await
}

/// A page of control's.
pub async fn page(
    worker: &Worker,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    response: ::http::Response<Bytes>,
) -> Result<After, Failure> {
    let status = response.status().as_u16();
    exchange.answered(status, Source::Portal, "portal");
    let fields = response
        .headers()
        .iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection" | INTERCEPTED)
        })
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let close = closes(worker, exchange);
    send(worker, client, exchange, Own { status, fields, body: response.body(), close }).await
}

/// Says what failed, in the form that the client understands.
pub async fn failure(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange, failure: Failure) -> After {
    let meaning = failure.meaning();
    exchange.answered(meaning.status, meaning.source, meaning.slug);
    if meaning.source == Source::Limit {
        exchange.cells.limit(meaning.slug);
    }
    if meaning.status == 0 {
        return After::Abort;
    }
    let close = failure.closes() || closes(worker, exchange);
    let sent = match &failure {
        _ if is_for_robots(exchange, meaning.source) => {
            exchange.answer.status = 200;
            let fields = vec![("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")];
            send(worker, client, exchange, Own { status: 200, fields, body: ROBOTS, close }).await
        }
        Failure::CallDenied { id } => {
            let body = call_error(id, &exchange.request_id);
            let fields = vec![("content-type", "application/json"), ("cache-control", "no-cache")];
            let own = Own { status: meaning.status, fields, body: body.as_bytes(), close };
            send(worker, client, exchange, own).await
        }
        Failure::SignIn(location) | Failure::ShowDevice(location) | Failure::PathRedirect(location) => {
            let fields = vec![("location", location.as_str()), ("cache-control", "no-store")];
            send(worker, client, exchange, Own { status: meaning.status, fields, body: b"", close }).await
        }
        _ => {
            let answer = page_of(exchange, &failure, &meaning.text);
            let mut fields = vec![("content-type", answer.content_type), ("cache-control", "no-store")];
            fields.push(("content-security-policy", CONTENT_SECURITY_POLICY));
            fields.push(("x-content-type-options", "nosniff"));
            let code = answer.grpc.as_ref().map(|grpc| grpc.code.to_string());
            if let (Some(grpc), Some(code)) = (&answer.grpc, &code) {
                fields.push(("grpc-status", code));
                fields.push(("grpc-message", &grpc.message));
            }
            let challenge = match &failure {
                Failure::Challenge { metadata } => format!("Bearer resource_metadata=\"{metadata}\""),
                _ => String::new(),
            };
            if !challenge.is_empty() {
                fields.push(("www-authenticate", &challenge));
            }
            match meaning.status {
                405 => fields.push(("allow", ALLOWED)),
                426 => fields.push(("upgrade", "HTTP/1.1")),
                _ => {}
            }
            let own = Own { status: answer.status, fields, body: answer.body.as_bytes(), close };
            send(worker, client, exchange, own).await
        }
    };
    sent.unwrap_or(After::Abort)
}

/// Crawlers that may not see a host are told to stay away rather than to sign in.
fn is_for_robots(exchange: &Exchange, source: Source) -> bool {
    let agent = exchange.head.first(FieldKind::UserAgent);
    matches!(source, Source::AuthDeny | Source::AuthRedirect)
        && exchange.path() == "/robots.txt"
        && speaks(None, None, agent) != Speaks::Kubernetes
}

/// The refusal of a message to an MCP server, with Pomerium's words (JSON-RPC 2.0 section 5.1: -32602, invalid params).
fn call_error(id: &serde_json::Value, request_id: &str) -> String {
    let message = format!("access denied, please see the authorization log for the request {request_id} for details");
    let error = json!({ "code": -32602, "message": message, "data": { "request_id": request_id } });
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

fn page_of(exchange: &Exchange, failure: &Failure, text: &str) -> crate::http::page::failure::Answer {
    let head = &exchange.head;
    let language = speaks(head.first(FieldKind::Accept), exchange.content_type(), head.first(FieldKind::UserAgent));
    let meaning = failure.meaning();
    let reason = ::http::StatusCode::from_u16(meaning.status).ok().and_then(|code| code.canonical_reason());
    let conditions: Vec<&str> = match failure {
        Failure::Denied { conditions, .. } => conditions.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let session = exchange.session.known.as_ref().map(|known| &*known.session);
    let who = session.map(|s| if s.email.is_empty() { &*s.user_id } else { &*s.email });
    let denied = matches!(failure, Failure::Denied { .. });
    let links: &[Link<'_>] = match denied && who.is_some() {
        true => {
            &[Link { label: "Who am I?", href: "/.pomerium/" }, Link { label: "Sign out", href: "/.pomerium/sign_out" }]
        }
        false => &[],
    };
    Page {
        status: meaning.status,
        title: reason.unwrap_or(match meaning.status {
            450 => "Device Not Authorized",
            495 => "Client Certificate Required",
            _ => "Error",
        }),
        // Programs read the words that Pomerium has for it.
        text: if denied && meaning.status == 403 && !language.is_html() { "Forbidden" } else { text },
        broken: hop(meaning.source),
        request_id: &exchange.request_id,
        signed_in_as: who.filter(|_| denied),
        conditions: &conditions,
        advice: advice(failure),
        links,
    }
    .answer(language)
}

fn hop(source: Source) -> Option<Hop> {
    match source {
        Source::UpstreamConnect | Source::UpstreamTimeout | Source::UpstreamProtocol => Some(Hop::Upstream),
        Source::Internal | Source::Draining => Some(Hop::Edge),
        _ => None,
    }
}

fn advice(failure: &Failure) -> Option<&'static str> {
    match failure.meaning().source {
        Source::UpstreamConnect | Source::UpstreamTimeout | Source::UpstreamProtocol => {
            Some("Try again in a moment. If it stays like this, tell whoever runs this service, with the request id.")
        }
        Source::NoRoute => Some("Look for a typing error in the address, or ask whoever gave it to you."),
        Source::BadRequest => Some("Go back and try another way. If a link led here, tell whoever made it."),
        // Browsers ask once and remember the choice, until they are started again.
        Source::AuthDeny if matches!(failure, Failure::Denied { status: 495, .. }) => Some(
            "Start the browser again and choose a certificate that whoever runs this service gave you. If you have none, \
             ask for one and mention the request id.",
        ),
        Source::AuthDeny if matches!(failure, Failure::Denied { .. }) => {
            Some("Sign in as somebody who may, or ask for access and mention the request id.")
        }
        _ => None,
    }
}

/// Whether the connection ends after this answer: the client asked for it, we drain, or the request has a body that
/// nobody will read.
fn closes(worker: &Worker, exchange: &Exchange) -> bool {
    let unread = !matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0));
    exchange.normal.close || worker.draining.get() || unread || exchange.normal.upgrade.is_some()
}

async fn send(
    worker: &Worker,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    own: Own<'_>,
) -> Result<After, Failure> {
    // A field of ours that would end its line is a defect; it must not become a hole.
    let clean = |(name, value): &(&str, &str)| is_token(name.as_bytes()) && value_is_clean(value.as_bytes());
    let mut fields = own.fields;
    fields.retain(clean);
    fields.push((INTERCEPTED, "true"));
    if !exchange.request_id.is_empty() {
        fields.push(("x-request-id", &exchange.request_id));
    }
    let is_head = exchange.method() == "HEAD";
    let whole = Whole { status: own.status, fields: &fields, body: own.body, is_head, close: own.close };
    client.answer(worker, &exchange.plan.timeouts, whole).await?;
    if !is_head {
        exchange.answer.size = own.body.len() as u64;
    }
    Ok(if own.close { After::Close } else { After::Next })
}
