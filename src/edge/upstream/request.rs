//! The request as the upstream sees it, written anew from the normal form: nothing of a client's passes by accident.

use std::io::Write;

use crate::edge::exchange::{Exchange, Upgrade};
use crate::edge::session::own_credentials;
use crate::http::cookie;
use crate::http::fields::{self, FieldKind};
use crate::http::framing::BodyLength;
use crate::http::head::Field;
use crate::plan::cluster::Endpoint;
use crate::plan::route::Route;

/// Query parameter that may hold a session token.
const TOKEN_PARAMETER: &str = "pomerium_session=";

/// Appends the request head to `out` and notes the X-Forwarded-For that it carries.
pub fn write_head(
    exchange: &mut Exchange,
    route: &Route,
    endpoint: &Endpoint,
    vouched: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    if exchange.forwarded_for.is_empty() {
        exchange.forwarded_for = forwarded_for(exchange);
    }
    let upgrade = exchange.normal.upgrade == Some(Upgrade::WebSocket);
    write_request_line(exchange, out);
    write_host(exchange, route, endpoint, out);
    let nominated = Nominated::of(exchange);
    for field in exchange.head.fields() {
        copy(exchange, route, field, &nominated, out);
    }
    if !is_removed(route, "x-forwarded-for") {
        line(out, b"x-forwarded-for", exchange.forwarded_for.as_bytes());
    }
    line(out, b"x-forwarded-proto", exchange.client.scheme().as_bytes());
    line(out, b"x-request-id", exchange.request_id.as_bytes());
    for (name, value) in &route.request_headers_set {
        if !is_removed(route, name) {
            line(out, name.as_bytes(), value.as_bytes());
        }
    }
    if let Some(lines) = vouched {
        write_vouched(route, lines, out);
    }
    match exchange.normal.body {
        BodyLength::Fixed(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyLength::None | BodyLength::UntilClose => {}
    }
    if upgrade {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_request_line(exchange: &Exchange, out: &mut Vec<u8>) {
    out.extend_from_slice(exchange.method().as_bytes());
    out.push(b' ');
    // `OPTIONS *` is kept as it was asked.
    let target = if exchange.head.target() == b"*" { "*" } else { exchange.path() };
    out.extend_from_slice(target.as_bytes());
    match exchange.query() {
        Some(query) if query.contains(TOKEN_PARAMETER) => {
            let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(TOKEN_PARAMETER)).collect();
            if !kept.is_empty() {
                let _ = write!(out, "?{}", kept.join("&"));
            }
        }
        Some(query) => {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        None => {}
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// The endpoint's own name, or the client's when the route preserves it; when rewritten, the client's goes into
/// X-Forwarded-Host.
fn write_host(exchange: &Exchange, route: &Route, endpoint: &Endpoint, out: &mut Vec<u8>) {
    let set = route.request_headers_set.iter().find(|(name, _)| &**name == "host");
    let asked = &exchange.normal.authority;
    let write_asked = |out: &mut Vec<u8>| {
        out.extend_from_slice(asked.host.as_bytes());
        if let Some(port) = asked.port {
            let _ = write!(out, ":{port}");
        }
        out.extend_from_slice(b"\r\n");
    };
    out.extend_from_slice(b"host: ");
    if route.preserve_host && set.is_none() {
        write_asked(out);
        return;
    }
    let host = set.map_or(&*endpoint.authority, |(_, value)| value);
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\n");
    if !is_removed(route, "x-forwarded-host") {
        out.extend_from_slice(b"x-forwarded-host: ");
        write_asked(out);
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
        K::Identity | K::ForwardedFor | K::ForwardedProto | K::ForwardedHost | K::ForwardedOther => {}
        K::RequestId | K::Underscore => {}
        K::Cookie => {
            let kept = cookie::without(value, &exchange.plan.identity.cookie.name);
            if !kept.is_empty() {
                line(out, name, &kept);
            }
        }
        K::Authorization if own_credentials(value).is_some() => {}
        K::Authorization => line(out, name, value),
        _ if nominated.holds(name) || fields::is_hop_by_hop(name) => {}
        _ => line(out, name, value),
    }
}

/// `set_request_headers` and `remove_request_headers` replace what the client sent.
fn is_replaced(route: &Route, name: &[u8]) -> bool {
    let same = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    route.request_headers_set.iter().any(|(known, _)| same(known))
        || route.request_headers_removed.iter().any(|k| same(k))
}

fn is_removed(route: &Route, name: &str) -> bool {
    route.request_headers_removed.iter().any(|removed| &**removed == name)
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

/// What the client said, and the peer that we saw.
fn forwarded_for(exchange: &Exchange) -> String {
    let mut text = String::new();
    for value in exchange.head.all(FieldKind::ForwardedFor) {
        if let Ok(value) = std::str::from_utf8(value)
            && !value.is_empty()
        {
            text.push_str(value);
            text.push_str(", ");
        }
    }
    text.push_str(&exchange.client.address.ip().to_canonical().to_string());
    text
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
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
