//! One TLS session without I/O, over rustls' unbuffered interface: ciphertext in, plaintext out, and the reverse.
//!
//! The unbuffered interface keeps no buffers of its own between records, which is what makes idle connections small.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError};
use rustls_pki_types::CertificateDer;

/// Most ciphertext that may wait undecoded: one record and the handshake message that may span a few.
const INCOMING_BYTES_MAX: usize = 256 * 1024;
/// What a record may grow by when it is sealed, with room to spare.
const RECORD_OVERHEAD: usize = 64;
/// Plaintext per record.
const RECORD_BYTES: usize = 16 * 1024;

/// One side of one TLS connection.
pub struct Session {
    side: Side,
    /// Ciphertext that does not make a whole record yet.
    incoming: Vec<u8>,
    /// Plaintext that arrived with the handshake's last flight.
    early: Vec<u8>,
    /// Records that rustls wants sent (key updates, alerts), sealed; they go with the next write.
    pending: Vec<u8>,
    peer_closed: bool,
    handshaking: bool,
    server_name: Option<Rc<str>>,
}

thread_local! {
    /// The name in the ClientHello that is being read on this thread: the unbuffered interface tells it only to whoever
    /// chooses the certificate, in the middle of a step of the handshake.
    static ASKED: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

/// Called by whoever chooses the certificate, with the name that the client asks for.
pub fn note_server_name(name: Option<&str>) {
    ASKED.set(name.map(Rc::from));
}

enum Side {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What a finished handshake agreed on.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// As a metric label: `1.2`, `1.3`.
    pub version: &'static str,
    pub resumed: bool,
    /// ALPN chose HTTP/2 (RFC 9113 section 3.2).
    pub is_h2: bool,
    /// The name that the client asked for, as [`note_server_name`] was told.
    pub server_name: Option<Rc<str>>,
    /// What a client showed, leaf first, also when the session was resumed; empty on the client's own side.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Why a TLS session failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    #[error("the peer closed the connection during the handshake")]
    Closed,
    #[error("the peer sent {0} bytes that make no record")]
    Oversize(usize),
    #[error("no more records can be sealed")]
    Exhausted,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Session {
    pub fn server(config: std::sync::Arc<rustls::ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self::new(Side::Server(Box::new(UnbufferedServerConnection::new(config)?))))
    }

    pub fn client(
        config: std::sync::Arc<rustls::ClientConfig>,
        name: rustls_pki_types::ServerName<'static>,
    ) -> Result<Self, TlsError> {
        Ok(Self::new(Side::Client(Box::new(UnbufferedClientConnection::new(config, name)?))))
    }

    fn new(side: Side) -> Self {
        Session {
            side,
            incoming: Vec::new(),
            early: Vec::new(),
            pending: Vec::new(),
            peer_closed: false,
            handshaking: true,
            server_name: None,
        }
    }

    /// Takes a step of the handshake with more ciphertext; what must be sent is appended to `out`. True when done.
    pub fn advance(&mut self, sealed: Vec<u8>, out: &mut Vec<u8>) -> Result<bool, TlsError> {
        self.accept(sealed)?;
        let mut early = std::mem::take(&mut self.early);
        let result = self.pump(&mut early);
        self.early = early;
        // Taken within the step that noted it, so that handshakes on this thread do not mix.
        if let Some(name) = ASKED.take() {
            self.server_name = Some(name);
        }
        // Not `append`, which would leave its room behind for as long as the connection lives.
        out.extend_from_slice(&std::mem::take(&mut self.pending));
        result?;
        if self.peer_closed && self.handshaking {
            return Err(TlsError::Closed);
        }
        Ok(!self.handshaking)
    }

    /// Decrypts `sealed`, appending plaintext to `plain`; returns how many bytes were appended.
    pub fn open(&mut self, sealed: Vec<u8>, plain: &mut Vec<u8>) -> Result<usize, TlsError> {
        let before = plain.len();
        self.accept(sealed)?;
        self.pump(plain)?;
        Ok(plain.len() - before)
    }

    /// Encrypts `plain`: the records are the first bytes of `out`, as many as are returned. What it held before is not looked
    /// at, and it never gets shorter: rustls writes into initialised bytes only, and what was made so once stays so.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<usize, TlsError> {
        let mut room = Room { bytes: out, used: 0 };
        if !self.pending.is_empty() {
            room.put(&self.pending);
            self.pending = Vec::new();
        }
        let incoming = &mut self.incoming;
        loop {
            let step = match &mut self.side {
                Side::Server(c) => seal_step(c.process_tls_records(incoming).state, plain, &mut room),
                Side::Client(c) => seal_step(c.process_tls_records(incoming).state, plain, &mut room),
            };
            if step? {
                return Ok(room.used);
            }
        }
    }

    /// Appends a close_notify to `out`, once.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&std::mem::take(&mut self.pending));
        let start = out.len();
        out.resize(start + 2 * RECORD_OVERHEAD, 0);
        let incoming = &mut self.incoming;
        let count = match &mut self.side {
            Side::Server(c) => match c.process_tls_records(incoming).state {
                Ok(ConnectionState::WriteTraffic(mut w)) => w.queue_close_notify(&mut out[start..]).unwrap_or(0),
                _ => 0,
            },
            Side::Client(c) => match c.process_tls_records(incoming).state {
                Ok(ConnectionState::WriteTraffic(mut w)) => w.queue_close_notify(&mut out[start..]).unwrap_or(0),
                _ => 0,
            },
        };
        out.truncate(start + count);
    }

    /// Whether the peer said that it sends no more.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub fn take_early(&mut self, plain: &mut Vec<u8>) {
        plain.append(&mut self.early);
        self.early = Vec::new();
    }

    pub fn summary(&self) -> Handshake {
        let (version, kind, protocol) = match &self.side {
            Side::Server(c) => (c.protocol_version(), c.handshake_kind(), c.alpn_protocol()),
            Side::Client(c) => (c.protocol_version(), c.handshake_kind(), c.alpn_protocol()),
        };
        let is_h2 = protocol == Some(b"h2");
        let version = match version {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "other",
        };
        let resumed = kind == Some(rustls::HandshakeKind::Resumed);
        let certificates = match &self.side {
            Side::Server(c) => c.peer_certificates().map(<[_]>::to_vec).unwrap_or_default(),
            Side::Client(_) => Vec::new(),
        };
        Handshake { version, is_h2, resumed, server_name: self.server_name.clone(), certificates }
    }

    fn accept(&mut self, mut sealed: Vec<u8>) -> Result<(), TlsError> {
        if self.incoming.is_empty() {
            self.incoming = sealed;
        } else {
            self.incoming.append(&mut sealed);
        }
        if self.incoming.len() > INCOMING_BYTES_MAX {
            return Err(TlsError::Oversize(self.incoming.len()));
        }
        Ok(())
    }

    /// Processes every whole record that waits.
    fn pump(&mut self, plain: &mut Vec<u8>) -> Result<(), TlsError> {
        let mut state = Pump {
            incoming: &mut self.incoming,
            pending: &mut self.pending,
            peer_closed: &mut self.peer_closed,
            handshaking: &mut self.handshaking,
        };
        let result = match &mut self.side {
            Side::Server(c) => pump(|bytes, step| take_step(c.process_tls_records(bytes), step), &mut state, plain),
            Side::Client(c) => pump(|bytes, step| take_step(c.process_tls_records(bytes), step), &mut state, plain),
        };
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        result
    }
}

/// What [`pump`] works on.
struct Pump<'a> {
    incoming: &'a mut Vec<u8>,
    pending: &'a mut Vec<u8>,
    peer_closed: &'a mut bool,
    handshaking: &'a mut bool,
}

/// What one step found.
struct Step<'a> {
    plain: &'a mut Vec<u8>,
    pending: &'a mut Vec<u8>,
    discard: usize,
    peer_closed: bool,
    established: bool,
    again: bool,
}

/// Steps until the session wants more bytes. On an error, the alert for the peer is left in `pending`.
fn pump(
    mut step: impl FnMut(&mut [u8], &mut Step<'_>) -> Result<(), TlsError>,
    state: &mut Pump<'_>,
    plain: &mut Vec<u8>,
) -> Result<(), TlsError> {
    let mut failure = None;
    loop {
        let mut found =
            Step { plain, pending: state.pending, discard: 0, peer_closed: false, established: false, again: false };
        let result = step(state.incoming, &mut found);
        let (discard, again) = (found.discard, found.again);
        *state.peer_closed |= found.peer_closed;
        if found.established {
            *state.handshaking = false;
        }
        if discard > 0 {
            let discard = discard.min(state.incoming.len());
            state.incoming.drain(..discard);
        }
        match result {
            // One more step, and only one, encodes the alert; a further one would read the same bad bytes again.
            _ if failure.is_some() => break,
            Err(e) => failure = Some(e),
            Ok(()) if again => {}
            Ok(()) => break,
        }
    }
    failure.map_or(Ok(()), Err)
}

fn take_step<Data>(
    status: rustls::unbuffered::UnbufferedStatus<'_, '_, Data>,
    found: &mut Step<'_>,
) -> Result<(), TlsError> {
    found.discard = status.discard;
    match status.state? {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                found.discard += record.discard;
                found.plain.extend_from_slice(record.payload);
            }
            found.again = true;
        }
        ConnectionState::EncodeTlsData(mut data) => {
            encode(&mut data, found.pending)?;
            found.again = true;
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            found.again = true;
        }
        ConnectionState::PeerClosed => {
            found.peer_closed = true;
            found.again = true;
        }
        ConnectionState::Closed => found.peer_closed = true,
        ConnectionState::WriteTraffic(_) => found.established = true,
        // Early data is never offered, so none can arrive.
        _ => {}
    }
    Ok(())
}

/// Initialised bytes, of which the first `used` are taken.
struct Room<'a> {
    bytes: &'a mut Vec<u8>,
    used: usize,
}

impl Room<'_> {
    /// At least `size` bytes behind those taken.
    fn behind(&mut self, size: usize) -> &mut [u8] {
        let end = self.used + size;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.used..end]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.behind(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
    }
}

/// One step towards sealing; false when a record of rustls' own went first and another step is needed. (When a peer
/// has asked for new keys, that record must precede everything sealed with them.)
fn seal_step<Data>(
    state: Result<ConnectionState<'_, '_, Data>, rustls::Error>,
    plain: &[u8],
    out: &mut Room<'_>,
) -> Result<bool, TlsError> {
    match state? {
        ConnectionState::WriteTraffic(mut traffic) => {
            let records = plain.len().div_ceil(RECORD_BYTES) + 1;
            let room = out.behind(plain.len() + records * RECORD_OVERHEAD);
            out.used += traffic.encrypt(plain, room).map_err(|_| TlsError::Exhausted)?;
            Ok(true)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let mut own = Vec::new();
            encode(&mut data, &mut own)?;
            out.put(&own);
            Ok(false)
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(false)
        }
        ConnectionState::PeerClosed => Ok(false),
        _ => Err(TlsError::Closed),
    }
}

fn encode<Data>(data: &mut rustls::unbuffered::EncodeTlsData<'_, Data>, pending: &mut Vec<u8>) -> Result<(), TlsError> {
    let start = pending.len();
    let mut size = 4 * 1024;
    loop {
        pending.resize(start + size, 0);
        match data.encode(&mut pending[start..]) {
            Ok(count) => {
                pending.truncate(start + count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > size => {
                size = required_size;
            }
            Err(_) => {
                pending.truncate(start);
                return Err(TlsError::Exhausted);
            }
        }
    }
}
