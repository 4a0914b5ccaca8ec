//! The response as it is read from the upstream and as the client gets it. The upstream is not trusted with framing.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::edge::codec::HeadSink;
use crate::edge::codec::mux::Stream;
use crate::edge::exchange::Exchange;
use crate::edge::failure::Failure;
use crate::edge::respond::INTERCEPTED;
use crate::http::cookie;
use crate::http::fields::{self, FieldKind};
use crate::http::framing::{self, BodyLength};
use crate::http::head::{End, FIELDS_MAX, find_end, refusal};
use crate::http::page::is_grpc;
use crate::plan::route::Route;

/// Fields for which there is room without asking the allocator.
const FIELDS_USUAL: usize = 64;
/// Answers a key that was ours, when the client speaks HTTP/2 (RFC 8441 section 5).
const ACCEPT: &str = "sec-websocket-accept";

/// What the head of a final response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: BodyLength,
    /// The upstream keeps the connection open.
    pub keep_alive: bool,
    /// Its type is `text/event-stream` or gRPC's: messages that come as they come.
    pub is_message_stream: bool,
}

/// What the first bytes of the inbox hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Not whole yet; the next look may start here.
    Incomplete(usize),
    /// An interim response of so many bytes, to be skipped.
    Interim(usize),
    /// A final response (or 101) whose head has so many bytes; the client's head was written.
    Final(Response, usize),
}

/// Looks for a response head at the start of `inbox`, of which `seen` bytes were looked at before. When one is whole, the
/// head for the client goes to `head`.
pub fn read_head(
    exchange: &Exchange,
    route: &Route,
    inbox: &[u8],
    seen: usize,
    close: bool,
    head: &mut HeadSink<'_>,
) -> Result<Found, Failure> {
    let length = match find_end(inbox, seen) {
        Ok(End::NotYet(seen)) => return Ok(Found::Incomplete(seen)),
        Ok(End::At(length)) => length,
        Err(_) => return Err(Failure::UpstreamProtocol("the response head is malformed")),
    };
    let bytes = &inbox[..length];
    let mut usual = [const { MaybeUninit::uninit() }; FIELDS_USUAL];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let result = parser.parse_response_with_uninit_headers(&mut response, bytes, &mut usual);
    match result {
        Ok(httparse::Status::Complete(parsed)) if parsed == length => {
            translate(exchange, route, &response, length, close, head)
        }
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = vec![const { MaybeUninit::uninit() }; FIELDS_MAX];
            let mut response = httparse::Response::new(&mut []);
            match parser.parse_response_with_uninit_headers(&mut response, bytes, &mut many) {
                Ok(httparse::Status::Complete(parsed)) if parsed == length => {
                    translate(exchange, route, &response, length, close, head)
                }
                _ => Err(Failure::UpstreamProtocol("the response head has too many fields")),
            }
        }
        Ok(_) => Err(Failure::UpstreamProtocol("the response head is malformed")),
        Err(error) => {
            tracing::debug!(error = %refusal(error), "response head refused");
            Err(Failure::UpstreamProtocol("the response head is malformed"))
        }
    }
}

fn translate(
    exchange: &Exchange,
    route: &Route,
    response: &httparse::Response<'_, '_>,
    length: usize,
    close: bool,
    head: &mut HeadSink<'_>,
) -> Result<Found, Failure> {
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err(Failure::UpstreamProtocol("the status line is malformed"));
    };
    if !(100..=599).contains(&status) {
        return Err(Failure::UpstreamProtocol("the status is out of range"));
    }
    if status == 101 && !switches_to(exchange.upgrade_name(), response) {
        return Err(Failure::UpstreamProtocol("101 to a protocol that was not asked for"));
    }
    check_websocket(exchange, status, response)?;
    if (100..200).contains(&status) && status != 101 {
        return Ok(Found::Interim(length));
    }
    let pairs = response.headers.iter().map(|header| (header.name.as_bytes(), header.value));
    let is_head = exchange.method() == "HEAD";
    let body = framing::of_response(is_head, false, status, version == 1, pairs)
        .map_err(|_| Failure::UpstreamProtocol("the framing of the response is ambiguous"))?;
    let keep_alive = version == 1 && body != BodyLength::UntilClose && !says_close(response);
    match head {
        HeadSink::H1(out) => write_head(exchange, route, response, status, body, close, out),
        HeadSink::H2(stream) => send_head(exchange, route, response, status, body, stream)?,
    }
    let is_message_stream = body != BodyLength::None && is_message_stream(response);
    Ok(Found::Final(Response { status, body, keep_alive, is_message_stream }, length))
}

/// On a stream of HTTP/2 every 2xx opens a tunnel (RFC 8441 section 5), so only an upstream that opened one may cause it.
fn check_websocket(exchange: &Exchange, status: u16, response: &httparse::Response<'_, '_>) -> Result<(), Failure> {
    let Some(key) = &exchange.websocket_key else { return Ok(()) };
    let mut accepts = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(ACCEPT));
    match (status, accepts.next(), accepts.next()) {
        (101, Some(accept), None) if key.is_answered_by(accept.value) => Ok(()),
        (101, ..) => Err(Failure::UpstreamProtocol("the WebSocket was not accepted as RFC 6455 asks")),
        (200..=299, ..) => Err(Failure::UpstreamProtocol("a success that opens no WebSocket")),
        _ => Ok(()),
    }
}

/// Sends the head of a response that came on a stream of HTTP/2 to the client; `ended`: nothing follows it.
pub fn of_stream(
    exchange: &Exchange,
    route: &Route,
    parts: &::http::response::Parts,
    ended: bool,
    close: bool,
    head: &mut HeadSink<'_>,
) -> Result<Response, Failure> {
    let status = parts.status.as_u16();
    if !(200..=599).contains(&status) {
        return Err(Failure::UpstreamProtocol("the status is out of range"));
    }
    if parts.headers.len() > FIELDS_MAX {
        return Err(Failure::UpstreamProtocol("the response head has too many fields"));
    }
    let fields = parts.headers.iter();
    let mut headers: Vec<_> =
        fields.map(|(name, value)| httparse::Header { name: name.as_str(), value: value.as_bytes() }).collect();
    let pairs = headers.iter().map(|header| (header.name.as_bytes(), header.value));
    let stated = framing::of_response(exchange.method() == "HEAD", false, status, true, pairs)
        .map_err(|_| Failure::UpstreamProtocol("the framing of the response is ambiguous"))?;
    let body = match (stated, ended, &head) {
        (BodyLength::None, ..) => BodyLength::None,
        // The end travels with the head, as gRPC wants it ("trailers-only"); over HTTP/1.1 it is a length.
        (_, true, HeadSink::H2(_)) => BodyLength::None,
        (_, true, HeadSink::H1(_)) => BodyLength::Fixed(0),
        (BodyLength::UntilClose, false, _) => BodyLength::Chunked,
        (stated, false, _) => stated,
    };
    let response = httparse::Response { version: Some(1), code: Some(status), reason: None, headers: &mut headers };
    match head {
        HeadSink::H1(out) => write_head(exchange, route, &response, status, body, close, out),
        HeadSink::H2(stream) => send_head(exchange, route, &response, status, body, stream)?,
    }
    let is_message_stream = body != BodyLength::None && is_message_stream(&response);
    Ok(Response { status, body, keep_alive: true, is_message_stream })
}

fn is_message_stream(response: &httparse::Response<'_, '_>) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let of_type = |value: &[u8]| {
        value.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
            && matches!(value.get(TYPE.len()), None | Some(b';' | b' ' | b'\t'))
    };
    let mut types = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-type"));
    types.any(|header| of_type(header.value) || is_grpc(Some(header.value)))
}

fn says_close(response: &httparse::Response<'_, '_>) -> bool {
    connection_options(response).any(|option| option.eq_ignore_ascii_case(b"close"))
}

fn connection_options<'r>(response: &'r httparse::Response<'_, '_>) -> impl Iterator<Item = &'r [u8]> {
    let named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    named.flat_map(|header| fields::connection_options(header.value))
}

/// Whether `Connection` names anything but how the connection goes on.
fn nominates(response: &httparse::Response<'_, '_>) -> bool {
    let usual = [&b"close"[..], b"keep-alive", b"upgrade"];
    connection_options(response).any(|option| !usual.iter().any(|known| option.eq_ignore_ascii_case(known)))
}

/// Whether the field belongs to this connection because `Connection` names it (RFC 9110 section 7.6.1).
fn is_nominated(response: &httparse::Response<'_, '_>, name: &[u8]) -> bool {
    connection_options(response).any(|option| option.eq_ignore_ascii_case(name)) && fields::may_be_nominated(name)
}

/// Whether a 101 names the one protocol that was asked for.
fn switches_to(asked: Option<&[u8]>, response: &httparse::Response<'_, '_>) -> bool {
    let mut named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("upgrade"));
    let (Some(asked), Some(header), None) = (asked, named.next(), named.next()) else { return false };
    header.value.eq_ignore_ascii_case(asked)
}

fn write_head(
    exchange: &Exchange,
    route: &Route,
    response: &httparse::Response<'_, '_>,
    status: u16,
    body: BodyLength,
    close: bool,
    out: &mut Vec<u8>,
) {
    write_status_line(status, out);
    for (name, value) in kept(exchange, route, response, status, body) {
        line(out, name, &value);
    }
    for (name, value) in &route.response_headers {
        line(out, name.as_bytes(), value.as_bytes());
    }
    let upgrade = exchange.upgrade_name().filter(|_| status == 101);
    write_framing(upgrade, body, close, out);
}

/// The head on a stream of HTTP/2.
fn send_head(
    exchange: &Exchange,
    route: &Route,
    response: &httparse::Response<'_, '_>,
    status: u16,
    body: BodyLength,
    stream: &Stream,
) -> Result<(), Failure> {
    let mut length = itoa::Buffer::new();
    let length = match body {
        BodyLength::Fixed(bytes) => Some((&b"content-length"[..], length.format(bytes).as_bytes())),
        _ => None,
    };
    let is_tunnel = status == 101;
    let accept = |name: &[u8]| is_tunnel && name.eq_ignore_ascii_case(ACCEPT.as_bytes());
    let kept = kept(exchange, route, response, status, body).filter(|(name, _)| !accept(name));
    let theirs: Vec<(&[u8], Cow<'_, [u8]>)> = kept.collect();
    let theirs = theirs.iter().map(|(name, value)| (*name, &**value));
    let ours = route.response_headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    stream
        .send_head(
            if is_tunnel { 200 } else { status },
            theirs.chain(ours).chain(length),
            body == BodyLength::None && !is_tunnel,
        )
        .map_err(|_| Failure::ClientGone)
}

/// The upstream's fields that go on to the client, some rewritten: not those of its connection, nor those that only we or
/// the route may set.
fn kept<'r>(
    exchange: &'r Exchange,
    route: &'r Route,
    response: &'r httparse::Response<'_, '_>,
    status: u16,
    body: BodyLength,
) -> impl Iterator<Item = (&'r [u8], Cow<'r, [u8]>)> {
    let nominates = nominates(response);
    // An answer without a body may still tell its length (HEAD, 304).
    let tells_length = body == BodyLength::None && status != 101 && status != 204;
    let passed = response.headers.iter().filter(move |header| {
        let name = header.name.as_bytes();
        let hops = match fields::classify(name) {
            FieldKind::ContentLength => !tells_length,
            FieldKind::TransferEncoding
            | FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyConnection
            | FieldKind::ProxyAuthenticate
            | FieldKind::Te
            | FieldKind::Trailer
            | FieldKind::Upgrade => true,
            // Who may sign somebody in, as themselves or as another, are we.
            FieldKind::SetCookie => cookie::sets_ours(header.value, &exchange.plan.identity.cookie.name),
            FieldKind::Identity => name.eq_ignore_ascii_case(INTERCEPTED.as_bytes()),
            _ => nominates && is_nominated(response, name),
        };
        !hops && !route.response_headers.iter().any(|(set, _)| name.eq_ignore_ascii_case(set.as_bytes()))
    });
    passed.map(|header| (header.name.as_bytes(), rewritten(route, header.name.as_bytes(), header.value)))
}

/// `rewrite_response_headers`: the value, with its beginning replaced by the first rule that fits.
fn rewritten<'r>(route: &Route, name: &[u8], value: &'r [u8]) -> Cow<'r, [u8]> {
    let mut rules = route.response_rewrites.iter().filter(|rule| name.eq_ignore_ascii_case(rule.name.as_bytes()));
    let found =
        rules.find_map(|rule| Some([rule.value.as_bytes(), value.strip_prefix(rule.prefix.as_bytes())?].concat()));
    found.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// `HTTP/1.1 200 OK` with the standard reason phrase.
pub fn write_status_line(status: u16, out: &mut Vec<u8>) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    let reason = ::http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    out.extend_from_slice(reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// How long the body is, and whether the connection goes on; ends the head.
fn write_framing(upgrade: Option<&[u8]>, body: BodyLength, close: bool, out: &mut Vec<u8>) {
    match body {
        BodyLength::None => {}
        BodyLength::Fixed(length) => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        BodyLength::Chunked | BodyLength::UntilClose => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        line(out, b"upgrade", protocol);
    } else if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    line_end(out, value);
}

fn line_end(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
