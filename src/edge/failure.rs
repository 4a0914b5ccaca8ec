//! Why a request did not get through: stage and cause → status, slug, whose fault, and what is told to the client.

use std::borrow::Cow;

use crate::http::authority::AuthorityError;
use crate::http::framing::FramingError;
use crate::http::head::HeadError;
use crate::http::path::PathError;
use crate::telemetry::access_log::Source;

/// A request that ends in an answer of our own.
#[derive(Debug)]
pub enum Failure {
    /// The head could not be read; nothing of it is trusted and the connection closes.
    Head(HeadError),
    HeadTimeout,
    Http10,
    Framing(FramingError),
    Host(Refusal),
    Target(Refusal),
    Path(PathError),
    /// The path is allowed only in its unescaped form; the client is sent there.
    PathRedirect(String),
    Underscore,
    MethodRefused,
    /// `Expect` asks for something else than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// Credentials stand more than once: nobody can say which of them the upstream would believe.
    Credentials,
    NoHost,
    NoPath,
    /// The host asks other certificates of its clients than this connection's client was asked.
    Misdirected,
    /// Nobody is signed in; the location starts the sign-in.
    SignIn(String),
    /// Somebody is signed in, but by no known device; the location shows what can be done.
    ShowDevice(String),
    /// Nobody is signed in and the client is none to be redirected.
    Unauthenticated,
    /// A program has no right to ask this of an MCP server, and may learn at `metadata` how to get it.
    Challenge {
        metadata: String,
    },
    /// A message to an MCP server is refused; the error answers its `id`.
    CallDenied {
        id: Box<serde_json::Value>,
    },
    /// Someone is signed in or known, but may not. Lines that say which condition failed.
    Denied {
        status: u16,
        conditions: Vec<String>,
    },
    /// The route's rewriting would make something of this request that must not be sent on.
    Rewrite(&'static str),
    UpgradeRefused,
    /// A WebSocket is asked for without a key that could be answered.
    WebSocketKey,
    /// The endpoint speaks HTTP/2 and takes no WebSockets there.
    NoWebSocket,
    /// An extended CONNECT asks for a protocol other than `websocket`.
    ProtocolUnknown,
    /// The control plane did not answer in time.
    ControlBusy,
    ControlSilent,
    /// No endpoint is known for the route (its names do not resolve).
    NoEndpoint,
    /// Every endpoint refused or did not take the connection.
    Connect,
    /// The endpoint took the request and then closed or broke the connection.
    UpstreamClosed,
    UpstreamTimeout,
    /// The endpoint's answer is no HTTP, or hostile.
    UpstreamProtocol(&'static str),
    BodyTimeout,
    /// The body is larger than the route (or our page) takes.
    BodyTooLarge,
    /// The body is malformed on its way.
    Body(&'static str),
    /// The client is gone; nothing can be answered.
    ClientGone,
    Internal(&'static str),
}

/// Why a host or target was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request has no Host")]
    Missing,
    #[error("the request has more than one Host")]
    Repeated,
    #[error("{0}")]
    Authority(#[from] AuthorityError),
    #[error("Host and the request target name different hosts")]
    Disagree,
    #[error("the request target has none of the forms that are served")]
    Form,
    #[error("the query holds a byte that no query may hold")]
    Query,
}

/// What a failure means to the outside.
#[derive(Debug)]
pub struct Meaning {
    /// 0: nothing is answered.
    pub status: u16,
    pub source: Source,
    pub slug: &'static str,
    pub text: Cow<'static, str>,
}

/// What is said about a denial; the texts for 450 and 495 are Pomerium's.
fn denial(status: u16) -> &'static str {
    match status {
        450 => "device not authorized",
        495 => "a valid client certificate is required to access this page",
        _ => "you may not see this page",
    }
}

impl Failure {
    /// The one map from failures to answers.
    pub fn meaning(&self) -> Meaning {
        use Failure as F;
        let (status, source, slug, text): (u16, Source, &'static str, Cow<'static, str>) = match self {
            F::Head(e @ (HeadError::TooLarge | HeadError::TooManyFields | HeadError::TooManyOptions)) => {
                (431, Source::Limit, "request_head_too_large", e.to_string().into())
            }
            F::Head(e @ HeadError::TargetTooLarge) => (414, Source::Limit, "target_too_large", e.to_string().into()),
            F::Head(e @ HeadError::Version) => (505, Source::BadRequest, "http_version", e.to_string().into()),
            F::Head(e) => (400, Source::BadRequest, "request_head", e.to_string().into()),
            F::HeadTimeout => {
                (408, Source::Limit, "request_head_timeout", "the request head did not arrive in time".into())
            }
            F::Http10 => (426, Source::BadRequest, "low_version", "HTTP/1.0 is not served; use HTTP/1.1".into()),
            F::Framing(e) => (400, Source::BadRequest, "request_framing", e.to_string().into()),
            F::Host(e) => (400, Source::BadRequest, "host", e.to_string().into()),
            F::Target(e) => (400, Source::BadRequest, "request_target", e.to_string().into()),
            F::Path(e) => (400, Source::BadRequest, "path_normalization", e.to_string().into()),
            F::PathRedirect(_) => (307, Source::BadRequest, "path_normalization", "".into()),
            F::Underscore => {
                (400, Source::BadRequest, "unexpected_underscore", "a header name holds an underscore".into())
            }
            F::MethodRefused => (405, Source::BadRequest, "method", "this method is not served".into()),
            F::Expectation => (417, Source::BadRequest, "expectation", "only 100-continue can be expected here".into()),
            F::Credentials => {
                (400, Source::BadRequest, "authorization", "the request has more than one Authorization".into())
            }
            F::NoHost => (404, Source::NoRoute, "route_not_found", "no route serves this host".into()),
            F::Misdirected => (
                421,
                Source::BadRequest,
                "misdirected_request",
                "this host asks for other client certificates than this connection's; connect to it anew".into(),
            ),
            F::NoPath => (404, Source::NoRoute, "route_not_found", "no route of this host serves this path".into()),
            F::SignIn(_) => (302, Source::AuthRedirect, "sign_in", "".into()),
            F::ShowDevice(_) => (302, Source::AuthRedirect, "show_device", "".into()),
            F::Unauthenticated => (401, Source::AuthDeny, "unauthenticated", "Unauthenticated".into()),
            F::Challenge { .. } => (401, Source::AuthDeny, "unauthenticated", "Unauthorized".into()),
            F::CallDenied { .. } => (200, Source::AuthDeny, "denied", "".into()),
            F::Denied { status, .. } => (*status, Source::AuthDeny, "denied", denial(*status).into()),
            F::Rewrite(what) => (400, Source::BadRequest, "rewrite", (*what).into()),
            F::UpgradeRefused => {
                (403, Source::BadRequest, "upgrade_refused", "this route allows no upgrade to that protocol".into())
            }
            F::WebSocketKey => (
                400,
                Source::BadRequest,
                "websocket_key",
                "a WebSocket is asked for with one Sec-WebSocket-Key, 16 bytes in base64".into(),
            ),
            F::NoWebSocket => (
                502,
                Source::UpstreamProtocol,
                "upstream_websocket",
                "the service behind this route speaks HTTP/2 and takes no WebSocket over it (RFC 8441)".into(),
            ),
            F::ProtocolUnknown => {
                (501, Source::BadRequest, "protocol", "no protocol but websocket is served on a stream".into())
            }
            F::ControlBusy => {
                (503, Source::Limit, "control_busy", "too many sign-ins are waiting; try again in a moment".into())
            }
            F::ControlSilent => (
                503,
                Source::Internal,
                "control_silent",
                "the session could not be checked in time; try again in a moment".into(),
            ),
            F::NoEndpoint => (
                503,
                Source::UpstreamConnect,
                "no_healthy_upstream",
                "the service behind this route has no address now".into(),
            ),
            F::Connect => (
                503,
                Source::UpstreamConnect,
                "upstream_connect_failure",
                "the service behind this route does not answer".into(),
            ),
            F::UpstreamClosed => (
                502,
                Source::UpstreamProtocol,
                "upstream_closed",
                "the service behind this route closed the connection before it answered".into(),
            ),
            F::UpstreamTimeout => (
                504,
                Source::UpstreamTimeout,
                "upstream_response_timeout",
                "the service behind this route did not answer in time".into(),
            ),
            F::UpstreamProtocol(what) => (
                502,
                Source::UpstreamProtocol,
                "upstream_protocol_error",
                format!("the service behind this route gave an answer that is not HTTP: {what}").into(),
            ),
            F::BodyTimeout => {
                (408, Source::Limit, "request_body_timeout", "the request body did not arrive in time".into())
            }
            F::BodyTooLarge => {
                (413, Source::Limit, "request_body_too_large", "the request body is larger than is taken here".into())
            }
            F::Body(what) => (400, Source::BadRequest, "request_body", (*what).into()),
            F::ClientGone => (0, Source::BadRequest, "client_disconnected", "".into()),
            F::Internal(what) => (500, Source::Internal, "internal", (*what).into()),
        };
        Meaning { status, source, slug, text }
    }

    /// Whether the connection ends: what follows on it may not be understood as it is meant, belongs on another one, or
    /// comes from somebody who just sent what no honest client sends.
    pub fn closes(&self) -> bool {
        use Failure as F;
        matches!(
            self,
            F::Head(_)
                | F::HeadTimeout
                | F::Http10
                | F::Framing(_)
                | F::Misdirected
                | F::Host(_)
                | F::Target(_)
                | F::Path(_)
                | F::Underscore
                | F::MethodRefused
                | F::Expectation
                | F::Credentials
                | F::Rewrite(_)
                | F::BodyTimeout
                | F::BodyTooLarge
                | F::Body(_)
                | F::ClientGone
                | F::Internal(_)
        )
    }
}
