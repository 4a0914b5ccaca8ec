//! The request as the upstream sees it, written anew from the normal form: nothing of a client's passes by accident.

use std::io::Write as _;

use crate::edge::exchange::{Exchange, ForwardedFor};
use crate::edge::rewrite::{self, Rewritten};
use crate::edge::session::own_credentials;
use crate::edge::trailers::takes_trailers;
use crate::edge::websocket::handshake::KEY;
use crate::http::cookie;
use crate::http::fields::{self, FieldKind};
use crate::http::framing::BodyLength;
use crate::http::head::Field;
use crate::plan::cluster::Endpoint;
use crate::plan::field_rules::Underscores;
use crate::plan::route::Route;
use crate::plan::route::rewrite::HostRewrite;

/// Between the name of a field and its value.
const COLON: &[u8] = b": ";
/// Between two addresses of X-Forwarded-For.
const SEPARATOR: &str = ", ";

/// Appends the request head to `out` and notes the X-Forwarded-For that it carries.
pub fn write_head(
    exchange: &mut Exchange,
    route: &Route,
    rewritten: &Rewritten,
    endpoint: &Endpoint,
    vouched: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    if matches!(exchange.forwarded_for, ForwardedFor::Unsent) {
        exchange.forwarded_for = forwarded_for(exchange);
    }
    write_request_line(exchange, rewritten, out);
    write_host(exchange, route, rewritten, endpoint, out);
    let nominated = Nominated::of(exchange);
    for field in exchange.head.fields() {
        copy(exchange, route, field, &nominated, out);
    }
    write_own(exchange, route, out);
    write_set(exchange, route, vouched, out);
    if let Some(lines) = vouched.filter(|_| route.pass_identity) {
        write_vouched(route, lines, out);
    }
    match exchange.normal.body {
        BodyLength::Fixed(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // Where a body is usual, its absence is said (RFC 9110 section 8.6): some servers answer 411 otherwise.
        BodyLength::None if matches!(exchange.method(), "POST" | "PUT" | "PATCH") => {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        BodyLength::None | BodyLength::UntilClose => {}
    }
    if let Some(protocol) = exchange.upgrade_name() {
        out.extend_from_slice(b"connection: upgrade\r\n");
        line(out, b"upgrade", protocol);
    } else if takes_trailers(exchange) {
        // Some upstreams send trailers only to those who ask (RFC 9110 section 10.1.4). What becomes another protocol has
        // none, and there are servers that know `upgrade` only where it stands alone.
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    if let Some(key) = &exchange.websocket_key {
        line(out, KEY.as_bytes(), key.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_request_line(exchange: &Exchange, rewritten: &Rewritten, out: &mut Vec<u8>) {
    out.extend_from_slice(exchange.method().as_bytes());
    out.push(b' ');
    let target = match &rewritten.path {
        Some(path) => path.as_bytes(),
        None if exchange.normal.asterisk => b"*",
        None => exchange.path_bytes(),
    };
    out.extend_from_slice(target);
    if let Some(query) = rewrite::query(exchange) {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// The host that the route wants; when that is not the client's, the client's goes into X-Forwarded-Host.
fn write_host(exchange: &Exchange, route: &Route, rewritten: &Rewritten, endpoint: &Endpoint, out: &mut Vec<u8>) {
    let asked = exchange.authority();
    let write_asked = |out: &mut Vec<u8>| {
        out.extend_from_slice(asked.host.as_bytes());
        if let Some(port) = asked.port {
            let _ = write!(out, ":{port}");
        }
        out.extend_from_slice(b"\r\n");
    };
    let host: &str = match (&rewritten.host, &route.host_rewrite) {
        (Some(host), _) => host,
        (None, HostRewrite::Literal(host)) => host,
        (None, HostRewrite::Endpoint) => &endpoint.authority,
        (None, HostRewrite::Client | HostRewrite::Field(_) | HostRewrite::Path(_)) => {
            out.extend_from_slice(b"host: ");
            return write_asked(out);
        }
    };
    line(out, b"host", host.as_bytes());
    if !is_replaced(route, b"x-forwarded-host") {
        out.extend_from_slice(b"x-forwarded-host: ");
        write_asked(out);
    }
}

/// What every request carries, unless the route says otherwise or there is nothing to say.
fn write_own(exchange: &Exchange, route: &Route, out: &mut Vec<u8>) {
    let own: [(&[u8], &[u8]); 3] = [
        (b"x-forwarded-for: ", exchange.forwarded_for().as_bytes()),
        (b"x-forwarded-proto: ", exchange.scheme().as_bytes()),
        (b"x-request-id: ", exchange.request_id.as_bytes()),
    ];
    for (start, value) in own {
        if !value.is_empty() && !is_replaced(route, &start[..start.len() - COLON.len()]) {
            out.extend_from_slice(start);
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// `set_request_headers`, but for those that the route removes.
fn write_set(exchange: &Exchange, route: &Route, vouched: Option<&[u8]>, out: &mut Vec<u8>) {
    for (name, value) in &route.request_headers_set {
        if route.request_headers_removed.contains(name) {
            continue;
        }
        match value.as_text() {
            Some(text) => line(out, name.as_bytes(), text.as_bytes()),
            None => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                rewrite::expand(exchange, value, vouched, out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// Copies a field of the client's, unless it ends here or only we may set it.
fn copy(exchange: &Exchange, route: &Route, field: &Field, nominated: &Nominated<'_>, out: &mut Vec<u8>) {
    use FieldKind as K;
    let (name, value) = (exchange.head.bytes(field.name), exchange.head.bytes(field.value));
    if is_replaced(route, name) {
        return;
    }
    match field.kind {
        K::Host | K::ContentLength | K::TransferEncoding | K::Connection | K::KeepAlive | K::ProxyConnection => {}
        K::ProxyAuthenticate | K::ProxyAuthorization | K::Te | K::Trailer | K::Upgrade | K::Expect => {}
        K::Http2Settings => {}
        K::Identity | K::ForwardedFor | K::ForwardedProto | K::ForwardedHost | K::ForwardedOther => {}
        K::RequestId => {}
        // The upstream shall not take the request for one that the policy was not asked about.
        _ if route.policy.asks_method() && fields::overrides_method(name) => {}
        // Names that some servers would take for one of the above are no names of the client's own.
        K::Underscore if !passes_with_underscore(exchange, name) => {}
        K::Underscore | K::Other if is_claim(exchange, name) => {}
        K::Cookie => {
            let kept = cookie::without(value, &exchange.plan.identity.cookie.name);
            if !kept.is_empty() {
                line(out, name, &kept);
            }
        }
        K::Authorization if own_credentials(value).is_some() => {}
        K::Authorization => line(out, name, value),
        _ if exchange.websocket_key.is_some() && fields::is_named(name, KEY.as_bytes()) => {}
        _ if nominated.holds(name) => {}
        _ => line(out, name, value),
    }
}

/// `set_request_headers` and `remove_request_headers` replace what the client sent, in every spelling that a server may
/// fold onto their names.
fn is_replaced(route: &Route, name: &[u8]) -> bool {
    let same = |known: &str| fields::folds_alike(name, known.as_bytes());
    route.request_headers_set.iter().any(|(known, _)| same(known))
        || route.request_headers_removed.iter().any(|k| same(k))
}

/// Whether a field behind the request's body says nothing that only the route or we may say.
pub fn is_clients_own(exchange: &Exchange, route: &Route, name: &[u8]) -> bool {
    let underscore_passes = !fields::has_underscore(name) || passes_with_underscore(exchange, name);
    !is_replaced(route, name) && underscore_passes && !is_claim(exchange, name)
}

/// Whether `jwt_claims_headers` gives the name to a claim, whatever its spelling: no client may set it.
fn is_claim(exchange: &Exchange, name: &[u8]) -> bool {
    exchange.plan.identity.claim_headers.iter().any(|(claim, _)| fields::folds_alike(name, claim.as_bytes()))
}

fn passes_with_underscore(exchange: &Exchange, name: &[u8]) -> bool {
    exchange.plan.field_rules.underscores == Underscores::Allow && !fields::is_disguise(name)
}

/// Identity lines, but for those that the route removes.
fn write_vouched(route: &Route, lines: &[u8], out: &mut Vec<u8>) {
    if route.request_headers_removed.is_empty() {
        out.extend_from_slice(lines);
        return;
    }
    for text in lines.split_inclusive(|byte| *byte == b'\n') {
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default();
        if !route.request_headers_removed.iter().any(|removed| name.eq_ignore_ascii_case(removed.as_bytes())) {
            out.extend_from_slice(text);
        }
    }
}

/// What the client said, and (unless `skip_xff_append`) the peer that we saw.
fn forwarded_for(exchange: &Exchange) -> ForwardedFor {
    if !exchange.head.has(FieldKind::ForwardedFor) && !exchange.plan.field_rules.skip_append {
        return ForwardedFor::Client;
    }
    let mut text = String::new();
    for value in exchange.head.all(FieldKind::ForwardedFor) {
        if let Ok(value) = std::str::from_utf8(value)
            && !value.is_empty()
        {
            text.push_str(value);
            text.push_str(SEPARATOR);
        }
    }
    match exchange.plan.field_rules.skip_append {
        true => text.truncate(text.len().saturating_sub(SEPARATOR.len())),
        false => text.push_str(&exchange.client.ip_text),
    }
    ForwardedFor::Said(text.into())
}

/// Fields that the client named in `Connection` and that may be dropped for it.
struct Nominated<'e>(Vec<&'e [u8]>);

impl<'e> Nominated<'e> {
    fn of(exchange: &'e Exchange) -> Self {
        let options = exchange.head.all(FieldKind::Connection).flat_map(fields::connection_options);
        let usual = |option: &[u8]| {
            [&b"close"[..], b"keep-alive", b"upgrade"].iter().any(|known| option.eq_ignore_ascii_case(known))
        };
        Nominated(options.filter(|option| !usual(option) && fields::may_be_nominated(option)).collect())
    }

    fn holds(&self, name: &[u8]) -> bool {
        self.0.iter().any(|option| option.eq_ignore_ascii_case(name))
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // Asked for once, so that the four pieces need not ask again.
    out.reserve(name.len() + value.len() + 2 * COLON.len());
    out.extend_from_slice(name);
    out.extend_from_slice(COLON);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
