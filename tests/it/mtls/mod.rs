//! Client certificates: who is asked, what is valid, what a session, a stream or a reload must not carry over.

mod elsewhere;
mod enforcement;
mod misdirected;
mod resumption;
mod tunnels;

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::harness::certificates::{Authority, Identity, accept_any};
use crate::harness::vallum::{HOST, and, get, public_route};
use crate::harness::{Answer, Upstream, Vallum, Wire};

/// A host of the same configuration with other terms, or none.
const OTHER: &str = "other.example.com";

/// `downstream_mtls` with an authority in the configuration itself.
fn mtls(authority: &Authority, more: Value) -> Value {
    and(json!({"ca": base64(&authority.pem())}), more)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// One public route for [`HOST`], and the terms.
fn settings(upstream: &Upstream, downstream_mtls: Value) -> Value {
    json!({"routes": [public_route(HOST, json!(upstream.url()))], "downstream_mtls": downstream_mtls})
}

/// A client that shows `identity`, or nothing.
fn client(identity: Option<&Identity>) -> ClientConfig {
    identity.map_or_else(|| accept_any(&[]), |identity| identity.client(&[]))
}

/// What a GET to `host` over a new connection is answered; an error when the handshake came to nothing. (In TLS 1.3 a
/// client learns of that by its first read.)
fn ask(vallum: &Vallum, host: &str, config: impl Into<Arc<ClientConfig>>) -> io::Result<Answer> {
    let mut wire = Wire::tls_with(vallum.address, host, config.into())?;
    wire.try_send(get(host, "/", ""))?;
    wire.try_answer("GET")
}

/// The status of that answer; 0 for none.
fn status(vallum: &Vallum, host: &str, config: impl Into<Arc<ClientConfig>>) -> u16 {
    ask(vallum, host, config).map_or(0, |answer| answer.status)
}
