//! Reading the PROXY header from a connection, before anything else is read from it.

use std::io;
use std::net::SocketAddr;

use super::{Preface, PrefaceError, parse};
use crate::edge::wire::Reader;
use crate::plan::listener::ProxyProtocol;

/// Bytes asked for at once; what follows the header stays in the buffer.
const ROOM: usize = 2048;

/// Why a connection that must begin with a PROXY header is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the peer is not in proxy_protocol_trusted_cidrs")]
    Untrusted,
    #[error("{0}")]
    Header(#[from] PrefaceError),
    #[error("the connection ended within the PROXY header")]
    Truncated,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Refused {
    /// As a metric label.
    pub fn slug(&self) -> &'static str {
        match self {
            Refused::Untrusted => "untrusted",
            Refused::Header(error) => error.slug(),
            Refused::Truncated => "truncated",
            Refused::Io(_) => "io",
        }
    }
}

/// Reads the header; the client's address when the header tells one. `buffer` holds what was read beyond it.
pub async fn read(
    reader: &mut Reader,
    buffer: &mut Vec<u8>,
    proxy: &ProxyProtocol,
    peer: SocketAddr,
) -> Result<Option<SocketAddr>, Refused> {
    if !proxy.trusts(peer.ip()) {
        return Err(Refused::Untrusted);
    }
    loop {
        match parse(buffer) {
            Preface::Done { consumed, source, .. } => {
                buffer.drain(..consumed);
                return Ok(source);
            }
            Preface::Refused(error) => return Err(error.into()),
            Preface::Incomplete => {}
        }
        if reader.read(buffer, ROOM).await? == 0 {
            return Err(if buffer.is_empty() { PrefaceError::Missing.into() } else { Refused::Truncated });
        }
    }
}
