//! The parcel carried down the street: one request and its response, and everything learnt on the way.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use super::client_certificate::Shown;
use super::codec::h2::Protocol;
use super::request_id::RequestId;
use super::session::Known;
use super::websocket::handshake::Key;
use super::worker::Held;
use crate::http::authority::Authority;
use crate::http::fields::FieldKind;
use crate::http::framing::BodyLength;
use crate::http::head::{RequestHead, Room, Span};
use crate::plan::client_certificate::Standing;
use crate::plan::policy::mcp::{self, Mcp};
use crate::plan::route::Route;
use crate::plan::route::upgrades::WEBSOCKET;
use crate::telemetry::access_log::Source;
use crate::telemetry::metrics::WorkerCells;

/// Who is connected, and how.
#[derive(Debug, Clone)]
pub struct Client {
    /// The person's address, after PROXY protocol handling.
    pub address: SocketAddr,
    /// The IP address of that as text, written once for all requests.
    pub ip_text: Box<str>,
    /// Over TLS (our own, or none needed because the listener is clear).
    pub secure: bool,
    /// The name that the TLS handshake asked for (SNI, RFC 6066 section 3), in lower case without a last dot. It grants
    /// nothing by itself.
    pub server_name: Option<Rc<str>>,
    /// The handshake asked for a client certificate.
    pub was_asked: bool,
    /// The certificate that was shown, valid or not.
    pub certificate: Option<Rc<Shown>>,
    /// How many of its requests are at endpoints, or on their way there.
    pub forwarding: Cell<u32>,
}

impl Client {
    /// Of whom nothing is known but where the connection comes from.
    pub fn at(address: SocketAddr) -> Self {
        let ip_text = address.ip().to_string().into();
        Client {
            address,
            ip_text,
            secure: false,
            server_name: None,
            was_asked: false,
            certificate: None,
            forwarding: Cell::new(0),
        }
    }

    /// What was learnt of the address is final: IPv4 within IPv6 (RFC 4291 section 2.5.5.2) is written as IPv4.
    pub fn settle_address(&mut self) {
        self.address.set_ip(self.address.ip().to_canonical());
        self.ip_text = self.address.ip().to_string().into();
    }

    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }
}

/// One request and what became of it.
pub struct Exchange {
    pub started: Instant,
    pub plan: Held,
    pub client: Rc<Client>,
    /// The person's address: the connection's, or what trusted proxies say of it (`xff_num_trusted_hops`).
    pub source: IpAddr,
    pub head: RequestHead,
    /// How long the body is, where the codec knows (HTTP/2); else the head says it.
    pub told_body: Option<BodyLength>,
    /// What an extended CONNECT asks its stream to become (RFC 8441).
    pub told_protocol: Option<Protocol>,
    /// The key that the upstream must answer, when the client speaks HTTP/2 and so has none of its own.
    pub websocket_key: Option<Key>,
    /// The request in its one normal form; only this is matched, authorized, logged and forwarded.
    pub normal: Normal,
    pub request_id: RequestId,
    /// The position of its route in the plan, once one is chosen.
    pub route_index: Option<usize>,
    /// How the client's certificate stands to the terms of the route.
    pub standing: Standing,
    pub session: Presented,
    /// What is asked of an MCP server, where it was looked for.
    pub message: Message,
    pub answer: Answer,
    pub forwarded_for: ForwardedFor,
    /// The endpoint that answered.
    pub upstream: Option<SocketAddr>,
    /// Where this exchange is counted; means the routes of its own plan, also after a reload.
    pub cells: WorkerCells,
}

/// The normal form of a request.
#[derive(Debug)]
pub struct Normal {
    pub authority: Option<Rc<Authority<'static>>>,
    /// Percent-encoded, without query. Borrowed from the head when it was normal already.
    path: Path,
    pub query: Option<Span>,
    /// Not about a path but about the server as a whole (`OPTIONS *`, RFC 9112 section 3.2.4); matched and judged as `/`.
    pub asterisk: bool,
    pub body: BodyLength,
    /// What the client asked the connection to become.
    pub upgrade: Option<Upgrade>,
    /// The client wants the connection closed after this exchange.
    pub close: bool,
    pub expects_continue: bool,
}

#[derive(Debug)]
enum Path {
    AsSent(Span),
    Rewritten(Box<str>),
}

/// The X-Forwarded-For that is sent upstream.
#[derive(Debug)]
pub enum ForwardedFor {
    /// Nothing was sent.
    Unsent,
    /// The client's address alone.
    Client,
    /// With what the client said.
    Said(Box<str>),
}

/// Protocols that a connection may be upgraded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    WebSocket,
    /// Anything else, as it was asked for; empty when several were. Where the route does not allow it, the request is
    /// treated as if it had not asked.
    Other(Span),
}

/// The session that came with a request.
#[derive(Default)]
pub struct Presented {
    pub known: Option<Rc<Known>>,
    /// It came by header or query: such a client is never redirected.
    pub by_token: bool,
}

/// The MCP message in a request's body.
#[derive(Debug, Default)]
pub enum Message {
    /// There is none, or it was not looked for.
    #[default]
    None,
    Read(Box<mcp::Message>),
    /// The body is none that everybody reads alike, or is larger than is read.
    Unreadable,
}

impl Message {
    /// What policies see of it.
    pub fn fact(&self) -> Mcp<'_> {
        match self {
            Message::None => Mcp::Nothing,
            Message::Read(message) => message.fact(),
            Message::Unreadable => Mcp::Unreadable,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.cells.request_closed();
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// 0 when the client was gone before anything was sent.
    pub status: u16,
    pub source: Source,
    /// A slug that says why, as in the log.
    pub details: &'static str,
    /// Bytes of the body.
    pub size: u64,
}

/// Of requests that never named one.
static NO_AUTHORITY: Authority<'static> = Authority { host: Cow::Borrowed(""), port: None };

impl Normal {
    pub fn empty() -> Self {
        Normal {
            authority: None,
            path: Path::AsSent(Span::default()),
            query: None,
            asterisk: false,
            body: BodyLength::None,
            upgrade: None,
            close: true,
            expects_continue: false,
        }
    }

    pub fn set_path_as_sent(&mut self, span: Span) {
        self.path = Path::AsSent(span);
    }

    pub fn set_path(&mut self, path: &str) {
        self.path = Path::Rewritten(path.into());
    }
}

impl Exchange {
    pub fn new(
        plan: Held,
        client: Rc<Client>,
        head: RequestHead,
        told_body: Option<BodyLength>,
        cells: WorkerCells,
    ) -> Self {
        cells.request_opened();
        Exchange {
            started: Instant::now(),
            plan,
            source: client.address.ip(),
            client,
            head,
            told_body,
            told_protocol: None,
            websocket_key: None,
            normal: Normal::empty(),
            request_id: RequestId::default(),
            route_index: None,
            standing: Standing::default(),
            session: Presented::default(),
            message: Message::default(),
            answer: Answer { status: 0, source: Source::Internal, details: "", size: 0 },
            forwarded_for: ForwardedFor::Unsent,
            upstream: None,
            cells,
        }
    }

    /// The route, once one is chosen.
    pub fn route(&self) -> Option<&Route> {
        self.route_index.and_then(|index| self.plan.routes.at(index))
    }

    /// The normal path, percent-encoded, without query.
    pub fn path(&self) -> &str {
        match &self.normal.path {
            Path::AsSent(span) => self.head.text(*span),
            Path::Rewritten(path) => path,
        }
    }

    /// The path as the upstream gets it, unless the route rewrites it, and as it is logged.
    pub fn target_path(&self) -> &str {
        if self.normal.asterisk { "*" } else { self.path() }
    }

    /// The query, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.normal.query.map(|span| self.head.text(span))
    }

    /// As [`Exchange::path`], to be sent on.
    pub fn path_bytes(&self) -> &[u8] {
        match &self.normal.path {
            Path::AsSent(span) => self.head.bytes(*span),
            Path::Rewritten(path) => path.as_bytes(),
        }
    }

    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// The X-Forwarded-For that was sent upstream.
    pub fn forwarded_for(&self) -> &str {
        match &self.forwarded_for {
            ForwardedFor::Unsent => "",
            ForwardedFor::Client => &self.client.ip_text,
            ForwardedFor::Said(text) => text,
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> Option<&[u8]> {
        self.head.pairs().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type")).map(|(_, value)| value)
    }

    /// The authority that was asked for; without a host until it was found to be one.
    pub fn authority(&self) -> &Authority<'static> {
        self.normal.authority.as_deref().unwrap_or(&NO_AUTHORITY)
    }

    pub fn host(&self) -> &str {
        &self.authority().host
    }

    /// The protocol that the client asked to upgrade to, as `Upgrade` names it.
    pub fn upgrade_name(&self) -> Option<&[u8]> {
        self.normal.upgrade.map(|upgrade| match upgrade {
            Upgrade::WebSocket => WEBSOCKET.as_bytes(),
            Upgrade::Other(name) => self.head.bytes(name),
        })
    }

    /// The scheme by which the person came: the connection's, or what trusted proxies say of it.
    pub fn scheme(&self) -> &'static str {
        if self.plan.field_rules.trusted_hops == 0 {
            return self.client.scheme();
        }
        match self.head.first(FieldKind::ForwardedProto) {
            Some(b"https") => "https",
            Some(b"http") => "http",
            _ => self.client.scheme(),
        }
    }

    /// The request's URL as the client sees it.
    pub fn url(&self) -> String {
        let Authority { host, port } = self.authority();
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let query = self.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{host}{port}{}{query}", self.client.scheme(), self.path())
    }

    /// The head's room, for reuse; the exchange is over.
    pub fn take_room(&mut self) -> Room {
        std::mem::take(&mut self.head).into_room()
    }

    /// Notes what was answered.
    pub fn answered(&mut self, status: u16, source: Source, details: &'static str) {
        self.answer.status = status;
        self.answer.source = source;
        self.answer.details = details;
    }
}
