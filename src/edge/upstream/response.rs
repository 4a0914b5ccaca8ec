//! The response as it is read from the upstream and as the client gets it. The upstream is not trusted with framing.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::edge::codec::HeadSink;
use crate::edge::codec::mux::Stream;
use crate::edge::exchange::Exchange;
use crate::edge::failure::Failure;
use crate::edge::respond::INTERCEPTED;
use crate::edge::websocket::handshake::{self, ACCEPT};
use crate::http::cookie;
use crate::http::fields::{self, FieldKind};
use crate::http::framing::{self, BodyLength};
use crate::http::head::{End, FIELDS_MAX, find_end, refusal};
use crate::http::page::is_grpc;
use crate::plan::route::Route;

/// Fields for which there is room without asking the allocator.
const FIELDS_USUAL: usize = 64;

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
        pass_interim(exchange, route, status, response.headers, head);
        return Ok(Found::Interim(length));
    }
    let pairs = response.headers.iter().map(|header| (header.name.as_bytes(), header.value));
    let is_head = exchange.method() == "HEAD";
    let body = framing::of_response(is_head, false, status, version == 1, pairs)
        .map_err(|_| Failure::UpstreamProtocol("the framing of the response is ambiguous"))?;
    let said = Said::of(response.headers);
    if said.options > fields::CONNECTION_OPTIONS_MAX {
        return Err(Failure::UpstreamProtocol("Connection names too many options"));
    }
    let keep_alive = version == 1 && body != BodyLength::UntilClose && !said.close;
    let answer = Answer { exchange, route, headers: response.headers, said, status, body, accept: None };
    match head {
        HeadSink::H1(out) => answer.write(close, out),
        HeadSink::H2(stream) => answer.send(stream)?,
    }
    let is_message_stream = body != BodyLength::None && said.is_message_stream;
    Ok(Found::Final(Response { status, body, keep_alive, is_message_stream }, length))
}

/// Interim responses go on to clients of HTTP/2 (RFC 9110 section 15.2), all but 100, which is ours to give: the client's
/// expectation is met here. Of the clients of HTTP/1.1 too many take an interim response for the final one (RFC 8297 section 3
/// warns of it), so they get none. Nothing is added of the route's, and a client that is gone is noticed later.
fn pass_interim(
    exchange: &Exchange,
    route: &Route,
    status: u16,
    headers: &[httparse::Header<'_>],
    head: &mut HeadSink<'_>,
) {
    let HeadSink::H2(stream) = head else { return };
    let said = Said::of(headers);
    if status == 100 || said.options > fields::CONNECTION_OPTIONS_MAX {
        return;
    }
    let answer = Answer { exchange, route, headers, said, status, body: BodyLength::None, accept: None };
    let _ = stream.send_head_by(status, false, |lines| answer.kept().for_each(|(name, value)| lines.add(name, &value)));
}

/// The same for one that came on a stream of HTTP/2.
pub fn pass_interim_of_stream(
    exchange: &Exchange,
    route: &Route,
    interim: &::http::Response<()>,
    head: &mut HeadSink<'_>,
) {
    if interim.headers().len() <= FIELDS_MAX && !matches!(head, HeadSink::H1(_)) {
        pass_interim(exchange, route, interim.status().as_u16(), &headers_of(interim.headers()), head);
    }
}

fn headers_of(map: &::http::HeaderMap) -> Vec<httparse::Header<'_>> {
    map.iter().map(|(name, value)| httparse::Header { name: name.as_str(), value: value.as_bytes() }).collect()
}

/// On a stream of HTTP/2 every 2xx opens a tunnel (RFC 8441 section 5), so only an upstream that opened one may cause it.
fn check_websocket(exchange: &Exchange, status: u16, response: &httparse::Response<'_, '_>) -> Result<(), Failure> {
    let Some(key) = &exchange.websocket_key else { return Ok(()) };
    let is_accept = |header: &&httparse::Header<'_>| fields::is_named(header.name.as_bytes(), ACCEPT.as_bytes());
    let mut accepts = response.headers.iter().filter(is_accept);
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
    // A success opens the WebSocket that was asked for (RFC 8441 section 5), as 101 does in HTTP/1.1.
    let opens = exchange.upgrade_name().is_some() && parts.status.is_success();
    let status = if opens { 101 } else { status };
    if parts.headers.len() > FIELDS_MAX {
        return Err(Failure::UpstreamProtocol("the response head has too many fields"));
    }
    let headers = headers_of(&parts.headers);
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
    let said = Said::of(&headers);
    let key = if opens && matches!(head, HeadSink::H1(_)) { handshake::key_in(exchange.head.pairs()) } else { None };
    let accept = key.map(handshake::answer);
    let answer = Answer { exchange, route, headers: &headers, said, status, body, accept };
    match head {
        HeadSink::H1(out) => answer.write(close, out),
        HeadSink::H2(stream) => answer.send(stream)?,
    }
    let is_message_stream = body != BodyLength::None && said.is_message_stream;
    Ok(Response { status, body, keep_alive: true, is_message_stream })
}

/// What the fields say about the exchange as a whole, found in one look.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// The upstream closes the connection after this.
    close: bool,
    /// `Connection` names anything but how the connection goes on.
    nominates: bool,
    /// How many options `Connection` has.
    options: usize,
    is_message_stream: bool,
}

impl Said {
    fn of(headers: &[httparse::Header<'_>]) -> Self {
        let mut said = Said::default();
        for header in headers {
            let name = header.name.as_bytes();
            if fields::is_named(name, b"connection") {
                said.note_options(header.value);
            } else if fields::is_named(name, b"content-type") {
                said.is_message_stream |= is_message_stream(header.value);
            }
        }
        said
    }

    fn note_options(&mut self, value: &[u8]) {
        for option in fields::connection_options(value) {
            self.options += 1;
            match option {
                _ if fields::is_named(option, b"keep-alive") || fields::is_named(option, b"upgrade") => {}
                _ if fields::is_named(option, b"close") => self.close = true,
                _ => self.nominates = true,
            }
        }
    }
}

fn is_message_stream(value: &[u8]) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let is_events = value.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE))
        && matches!(value.get(TYPE.len()), None | Some(b';' | b' ' | b'\t'));
    is_events || is_grpc(Some(value))
}

/// Whether the field belongs to this connection because `Connection` names it (RFC 9110 section 7.6.1).
fn is_nominated(headers: &[httparse::Header<'_>], name: &[u8]) -> bool {
    let named = headers.iter().filter(|header| fields::is_named(header.name.as_bytes(), b"connection"));
    let mut options = named.flat_map(|header| fields::connection_options(header.value));
    options.any(|option| option.eq_ignore_ascii_case(name)) && fields::may_be_nominated(name)
}

/// Whether a 101 names the one protocol that was asked for.
fn switches_to(asked: Option<&[u8]>, response: &httparse::Response<'_, '_>) -> bool {
    let mut named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("upgrade"));
    let (Some(asked), Some(header), None) = (asked, named.next(), named.next()) else { return false };
    header.value.eq_ignore_ascii_case(asked)
}

/// A final response on its way to the client.
struct Answer<'r> {
    exchange: &'r Exchange,
    route: &'r Route,
    headers: &'r [httparse::Header<'r>],
    said: Said,
    status: u16,
    body: BodyLength,
    /// Answers the client's key, where the upstream was not told it.
    accept: Option<String>,
}

impl<'r> Answer<'r> {
    /// Writes the head in HTTP/1.1.
    fn write(&self, close: bool, out: &mut Vec<u8>) {
        write_status_line(self.status, out);
        for (name, value) in self.kept() {
            line(out, name, &value);
        }
        for (name, value) in &self.route.response_headers {
            line(out, name.as_bytes(), value.as_bytes());
        }
        if let Some(accept) = &self.accept {
            line(out, ACCEPT.as_bytes(), accept.as_bytes());
        }
        let upgrade = self.exchange.upgrade_name().filter(|_| self.status == 101);
        write_framing(upgrade, self.body, close, out);
    }

    /// Sends the head on a stream of HTTP/2.
    fn send(&self, stream: &Stream) -> Result<(), Failure> {
        let is_tunnel = self.status == 101;
        let status = if is_tunnel { 200 } else { self.status };
        let end = self.body == BodyLength::None && !is_tunnel;
        let sent = stream.send_head_by(status, end, |lines| {
            for (name, value) in self.kept() {
                if !(is_tunnel && fields::is_named(name, ACCEPT.as_bytes())) {
                    lines.add(name, &value);
                }
            }
            for (name, value) in &self.route.response_headers {
                lines.add(name.as_bytes(), value.as_bytes());
            }
            if let BodyLength::Fixed(length) = self.body {
                lines.add(b"content-length", itoa::Buffer::new().format(length).as_bytes());
            }
        });
        sent.map_err(|_| Failure::ClientGone)
    }

    /// The upstream's fields that go on to the client, some rewritten.
    fn kept(&self) -> impl Iterator<Item = (&'r [u8], Cow<'r, [u8]>)> {
        let passed = self.headers.iter().filter(|header| self.passes(header));
        passed.map(|header| (header.name.as_bytes(), rewritten(self.route, header.name.as_bytes(), header.value)))
    }

    /// Not those of the upstream's connection, nor those that only we or the route may set.
    fn passes(&self, header: &httparse::Header<'_>) -> bool {
        let name = header.name.as_bytes();
        let ends_here = match fields::known(name) {
            // An answer without a body may still tell its length (HEAD, 304).
            Some(FieldKind::ContentLength) => self.body != BodyLength::None || matches!(self.status, 100..=199 | 204),
            Some(
                FieldKind::TransferEncoding
                | FieldKind::Connection
                | FieldKind::KeepAlive
                | FieldKind::ProxyConnection
                | FieldKind::ProxyAuthenticate
                | FieldKind::Te
                | FieldKind::Trailer
                | FieldKind::Upgrade,
            ) => true,
            // Who may sign somebody in, as themselves or as another, are we.
            Some(FieldKind::SetCookie) => cookie::sets_ours(header.value, &self.exchange.plan.identity.cookie.name),
            _ if fields::is_named(name, INTERCEPTED.as_bytes()) => true,
            _ if self.accept.is_some() && fields::is_named(name, ACCEPT.as_bytes()) => true,
            _ => self.said.nominates && is_nominated(self.headers, name),
        };
        !ends_here && !self.route.response_headers.iter().any(|(set, _)| name.eq_ignore_ascii_case(set.as_bytes()))
    }
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
