//! Brings a request to its one normal form, once. What cannot be brought there is refused.

use std::borrow::Cow;
use std::rc::Rc;

use super::authorities::Authorities;
use super::codec::h2::Protocol;
use super::exchange::{Exchange, Upgrade};
use super::failure::{Failure, Refusal};
use super::request_id::{RequestId, RequestIds};
use super::session::own_credentials;
use super::websocket::handshake::Key;
use crate::http::authority::{self, Authority};
use crate::http::fields::{self, FieldKind};
use crate::http::framing;
use crate::http::head::{HeadError, Span};
use crate::http::path::{self, PathError};
use crate::plan::field_rules::Underscores;

/// Fills `exchange.normal` and the request id.
pub fn request(exchange: &mut Exchange, ids: &RequestIds, known: &Authorities) -> Result<(), Failure> {
    exchange.request_id = request_id(exchange, ids);
    if !exchange.head.is_1_1 {
        return Err(Failure::Http10);
    }
    let stated = framing::of_request(true, exchange.head.pairs()).map_err(Failure::Framing)?;
    exchange.normal.body = exchange.told_body.unwrap_or(stated);
    connection(exchange)?;
    credentials(exchange)?;
    protocol(exchange)?;
    target(exchange, known)?;
    let said = exchange.head.all(FieldKind::ForwardedFor);
    exchange.source = exchange.plan.field_rules.client(exchange.client.address.ip(), said);
    match exchange.plan.field_rules.underscores {
        Underscores::Reject if any_underscore(exchange) => Err(Failure::Underscore),
        // What is dropped or let through is decided where fields are copied.
        Underscores::Reject | Underscores::Allow | Underscores::Drop => Ok(()),
    }
}

/// Whether any name holds an underscore, whatever it would mean without.
fn any_underscore(exchange: &Exchange) -> bool {
    let head = &exchange.head;
    let mut known = [FieldKind::Identity, FieldKind::ForwardedOther].into_iter().flat_map(|kind| head.of_kind(kind));
    head.has(FieldKind::Underscore) || known.any(|field| fields::has_underscore(head.bytes(field.name)))
}

fn request_id(exchange: &Exchange, ids: &RequestIds) -> RequestId {
    exchange
        .head
        .first(FieldKind::RequestId)
        .and_then(RequestIds::accept)
        .map_or_else(|| ids.next(), RequestId::of_client)
}

/// What the client says about the connection itself. An `Upgrade` that no protocol allows (RFC 6455 section 4.1) is none.
fn connection(exchange: &mut Exchange) -> Result<(), Failure> {
    let head = &exchange.head;
    let mut close = false;
    let mut upgrade = false;
    for (count, option) in head.all(FieldKind::Connection).flat_map(fields::connection_options).enumerate() {
        if count >= fields::CONNECTION_OPTIONS_MAX {
            return Err(Failure::Head(HeadError::TooManyOptions));
        }
        close |= option.eq_ignore_ascii_case(b"close");
        upgrade |= option.eq_ignore_ascii_case(b"upgrade");
    }
    let mut protocols = head.of_kind(FieldKind::Upgrade).map(|field| field.value);
    let asked = match (protocols.next(), protocols.next()) {
        (Some(one), None) if head.bytes(one).eq_ignore_ascii_case(b"websocket") => {
            (head.method() == "GET").then_some(Upgrade::WebSocket)
        }
        (Some(one), None) => Some(Upgrade::Other(one)),
        (Some(_), Some(_)) => Some(Upgrade::Other(Span::default())),
        (None, _) => None,
    };
    let mut expects = false;
    for value in head.all(FieldKind::Expect) {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Failure::Expectation);
        }
        expects = true;
    }
    exchange.normal.close = close;
    exchange.normal.upgrade = asked.filter(|_| upgrade);
    exchange.normal.expects_continue = expects;
    Ok(())
}

/// A token of ours ends here, so one may stand beside what is meant for the upstream; two of a kind may not.
fn credentials(exchange: &Exchange) -> Result<(), Failure> {
    let mut values = exchange.head.all(FieldKind::Authorization);
    let (Some(first), Some(second)) = (values.next(), values.next()) else { return Ok(()) };
    let of_a_kind = own_credentials(first).is_some() == own_credentials(second).is_some();
    match of_a_kind || values.next().is_some() {
        true => Err(Failure::Credentials),
        false => Ok(()),
    }
}

/// An extended CONNECT (RFC 8441) is from here on the upgrade that it stands for.
fn protocol(exchange: &mut Exchange) -> Result<(), Failure> {
    match exchange.told_protocol {
        None => Ok(()),
        Some(Protocol::Other) => Err(Failure::ProtocolUnknown),
        Some(Protocol::WebSocket) => {
            let key = Key::random().map_err(|_| Failure::Internal("the system has no random bytes"))?;
            exchange.websocket_key = Some(key);
            exchange.normal.upgrade = Some(Upgrade::WebSocket);
            Ok(())
        }
    }
}

/// The forms of RFC 9112 section 3.2 that are served: origin-form and absolute-form, and `OPTIONS *`.
fn target(exchange: &mut Exchange, known: &Authorities) -> Result<(), Failure> {
    let host = host(exchange, known)?;
    let span = exchange.head.target_span();
    let target = exchange.head.target();
    // CONNECT makes a tunnel; TRACE would send the client what we vouch for to the upstream.
    if matches!(exchange.method(), "CONNECT" | "TRACE" | "TRACK") {
        return Err(Failure::MethodRefused);
    }
    let (authority, start) = match target.first() {
        Some(b'/') => (host, 0),
        Some(b'*') if target.len() == 1 && exchange.method() == "OPTIONS" => (host, 1),
        _ => absolute(target, &host, exchange.client.default_port())?,
    };
    let rest = &target[start..];
    let length = memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let (raw, query) = rest.split_at(length);
    if !path::query_is_clean(query) {
        return Err(Failure::Target(Refusal::Query));
    }
    let query = (!query.is_empty()).then(|| span.part(start + length + 1, target.len()));
    exchange.normal.authority = Some(authority);
    exchange.normal.query = query;
    // `OPTIONS https://host` asks about the server too (RFC 9112 section 3.2.4).
    exchange.normal.asterisk = raw.is_empty() && query.is_none() && exchange.method() == "OPTIONS";
    // Should it be refused, this is what is logged.
    exchange.normal.set_path_as_sent(span.part(start, start + length));
    let asked = if raw.is_empty() { b"/" } else { raw };
    match path::normalize(asked, &exchange.plan.path_rules).map(path::Path::into_encoded) {
        Ok(Cow::Borrowed(_)) if !raw.is_empty() => Ok(()),
        Ok(path) => {
            exchange.normal.set_path(&path);
            Ok(())
        }
        Err(PathError::Redirect(path)) => Err(Failure::PathRedirect(redirect_target(path, query, exchange))),
        Err(error) => Err(Failure::Path(error)),
    }
}

fn redirect_target(path: String, query: Option<Span>, exchange: &Exchange) -> String {
    match query {
        Some(query) => path + "?" + exchange.head.text(query),
        None => path,
    }
}

fn host(exchange: &Exchange, known: &Authorities) -> Result<Rc<Authority<'static>>, Failure> {
    let mut hosts = exchange.head.all(FieldKind::Host);
    let host = hosts.next().ok_or(Failure::Host(Refusal::Missing))?;
    if hosts.next().is_some() {
        return Err(Failure::Host(Refusal::Repeated));
    }
    known.of(host).map_err(|e| Failure::Host(e.into()))
}

/// An absolute-form target: its authority, which must agree with Host, and where its path starts.
fn absolute(
    target: &[u8],
    host: &Authority<'static>,
    default_port: u16,
) -> Result<(Rc<Authority<'static>>, usize), Failure> {
    let form = || Failure::Target(Refusal::Form);
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme))
        .ok_or_else(form)?;
    let rest = &target[scheme.len()..];
    let length = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let named = authority::parse(&rest[..length]).map_err(|e| Failure::Target(e.into()))?;
    if !named.agrees_with(host, default_port) {
        return Err(Failure::Target(Refusal::Disagree));
    }
    Ok((Rc::new(named.into_owned()), scheme.len() + length))
}
