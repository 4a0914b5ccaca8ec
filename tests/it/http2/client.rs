//! A client of HTTP/2 that sends the frames it is told to, right or wrong, and reads strictly what comes back.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use rustls::ClientConfig;

use super::fields::{self, Fields};
use crate::harness::Wire;
use crate::harness::certificates::accept_any;
use crate::harness::vallum::HOST;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What every stream and every connection starts with (RFC 9113 section 6.9.2).
const INITIAL_WINDOW: i64 = 65_535;
/// Largest payload that anybody may send unasked.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// What came on one stream.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The interim responses before the final one.
    pub interim: Vec<(u16, Fields)>,
    pub status: u16,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// The server ended the stream in order.
    pub ended: bool,
    /// The code of its RST_STREAM.
    pub reset: Option<u32>,
}

impl Reply {
    /// The value of the only field called `name`; empty when there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let all: Vec<_> = self.headers.iter().filter(|(n, _)| n == name).collect();
        assert!(all.len() <= 1, "{name} stands {} times in {:?}", all.len(), self.headers);
        all.first().map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: status {}", self.status))
    }

    fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }
}

/// One connection.
pub struct Client {
    wire: Wire,
    table: fields::Table,
    next: u32,
    replies: HashMap<u32, Reply>,
    /// What the server lets us send: on each stream, to start with on a new one, and in all.
    stream_windows: HashMap<u32, i64>,
    initial_window: i64,
    window: i64,
    /// Whether what was received is granted anew.
    pub grants: bool,
    /// Whether PINGs are answered.
    pub answers_pings: bool,
    /// Code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// The last streams that the GOAWAYs named, in order.
    pub last_streams: Vec<u32>,
    /// Whether the server offers extended CONNECT (RFC 8441 section 3).
    pub offers_connect: bool,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        Client::with_window(address, None)
    }

    /// A connection whose streams let the server send `window` bytes each; `None`: what is usual.
    #[track_caller]
    pub fn with_window(address: SocketAddr, window: Option<u32>) -> Client {
        Client::with_tls(address, HOST, accept_any(&[]), window)
    }

    /// A connection to `name`, over TLS as `config` says.
    #[track_caller]
    pub fn with_tls(address: SocketAddr, name: &str, mut config: ClientConfig, window: Option<u32>) -> Client {
        config.alpn_protocols = vec![b"h2".to_vec()];
        let wire = Wire::tls_with(address, name, config.into()).expect("a TLS handshake");
        assert_eq!(wire.session().alpn_protocol(), Some(&b"h2"[..]));
        Client::over(wire, window)
    }

    /// A connection in clear text, by prior knowledge (RFC 9113 section 3.3).
    pub fn clear(address: SocketAddr) -> Client {
        Client::over(Wire::clear(address), None)
    }

    fn over(wire: Wire, window: Option<u32>) -> Client {
        let mut client = Client {
            wire,
            table: fields::Table::default(),
            next: 1,
            replies: HashMap::new(),
            stream_windows: HashMap::new(),
            initial_window: INITIAL_WINDOW,
            window: INITIAL_WINDOW,
            grants: true,
            answers_pings: true,
            goaway: None,
            last_streams: Vec::new(),
            offers_connect: false,
        };
        let settings = window.map(|w| [&[0, 4][..], &w.to_be_bytes()].concat()).unwrap_or_default();
        client.wire.send([PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat());
        client
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes);
    }

    /// Opens a stream with a block of `fields`, pseudo-headers among them, in this order.
    pub fn open(&mut self, fields: &[(&str, &str)], end: bool) -> u32 {
        let id = self.reserve();
        self.send(frame(HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, id, &fields::encode(fields)));
        id
    }

    /// The number of the next stream, which the caller opens.
    pub fn reserve(&mut self) -> u32 {
        let id = self.next;
        self.next += 2;
        self.replies.insert(id, Reply::default());
        self.stream_windows.insert(id, self.initial_window);
        id
    }

    /// Opens a stream with a request to [`HOST`].
    pub fn request(&mut self, method: &str, path: &str, more: &[(&str, &str)], end: bool) -> u32 {
        let mut fields = line(method, HOST, path).to_vec();
        fields.extend_from_slice(more);
        self.open(&fields, end)
    }

    /// Sends a body as the server grants room; stops when the server resets the stream.
    pub fn body(&mut self, id: u32, mut body: &[u8]) {
        loop {
            let room = self.window.min(self.stream_windows[&id]);
            let count = body.len().min(PAYLOAD_BYTES_MAX).min(usize::try_from(room).unwrap_or(0));
            let (now, rest) = body.split_at(count);
            if count > 0 || body.is_empty() {
                self.send(frame(DATA, if rest.is_empty() { END_STREAM } else { 0 }, id, now));
                self.window -= count as i64;
                *self.stream_windows.get_mut(&id).unwrap() -= count as i64;
                body = rest;
                if body.is_empty() {
                    return;
                }
            } else if self.replies[&id].reset.is_some() || !self.step() {
                return;
            }
        }
    }

    /// Sends bytes on `streams` until the server has granted no room for any more before it answered another request.
    pub fn fill(&mut self, streams: &[u32]) -> u64 {
        let mut sent = 0;
        loop {
            let mut count = 0;
            for id in streams {
                let room = self.window.min(self.stream_windows[id]).clamp(0, PAYLOAD_BYTES_MAX as i64);
                if room > 0 {
                    self.send(frame(DATA, 0, *id, &vec![b'x'; room as usize]));
                    self.window -= room;
                    *self.stream_windows.get_mut(id).unwrap() -= room;
                    count += room as u64;
                }
            }
            sent += count;
            let window = self.window;
            let id = self.request("GET", "/ping", &[], true);
            self.finish(id);
            if count == 0 && self.window == window {
                return sent;
            }
        }
    }

    pub fn reset(&mut self, id: u32, code: u32) {
        self.send(frame(RST_STREAM, 0, id, &code.to_be_bytes()));
    }

    /// Lets the server send `count` bytes more on a stream, or on the connection (0).
    pub fn grant(&mut self, id: u32, count: u32) {
        self.send(frame(WINDOW_UPDATE, 0, id, &count.to_be_bytes()));
    }

    /// Reads one frame; false when the server has closed.
    #[track_caller]
    pub fn step(&mut self) -> bool {
        match self.read_frame() {
            Ok(true) => true,
            Ok(false) => false,
            Err(e) => panic!("no frame: {e}"),
        }
    }

    fn read_frame(&mut self) -> io::Result<bool> {
        let head = match self.wire.take(9) {
            Ok(head) => head,
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= PAYLOAD_BYTES_MAX, "a frame of {length} bytes");
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.wire.take(length)?;
        self.read(head[3], head[4], id, &payload);
        Ok(true)
    }

    fn read(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        match kind {
            SETTINGS if flags & ACK == 0 => {
                self.offers_connect |= payload.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]);
                for setting in payload.chunks(6).filter(|s| s[..2] == [0, 4]) {
                    let window = i64::from(u32::from_be_bytes(setting[2..].try_into().expect("four bytes")));
                    self.stream_windows.values_mut().for_each(|w| *w += window - self.initial_window);
                    self.initial_window = window;
                }
                self.send(frame(SETTINGS, ACK, 0, b""));
            }
            PING if flags & ACK == 0 && self.answers_pings => self.send(frame(PING, ACK, 0, payload)),
            GOAWAY => {
                self.last_streams.push(number(0));
                self.goaway = Some(number(4));
            }
            WINDOW_UPDATE if id == 0 => self.window += i64::from(number(0)),
            WINDOW_UPDATE => *self.stream_windows.get_mut(&id).expect("a stream of ours") += i64::from(number(0)),
            HEADERS | DATA | RST_STREAM => self.read_reply(kind, flags, id, payload),
            SETTINGS | PING => {}
            _ => panic!("a frame of kind {kind}"),
        }
    }

    fn read_reply(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let reply =
            self.replies.get_mut(&id).unwrap_or_else(|| panic!("kind {kind} on stream {id}, which is not open"));
        assert!(!reply.is_over() || kind == RST_STREAM, "kind {kind} after the end of stream {id}");
        match kind {
            HEADERS => {
                assert_eq!(flags & END_HEADERS, END_HEADERS, "heads of these tests fit into a frame");
                let mut headers = self.table.decode(payload);
                if reply.status >= 200 {
                    assert!(flags & END_STREAM != 0, "trailers that end nothing");
                    reply.trailers = headers;
                    reply.ended = true;
                    return;
                }
                assert_eq!(headers[0].0, ":status");
                let status = headers.remove(0).1.parse().expect("a status");
                assert!(headers.iter().all(|(name, _)| !name.starts_with(':')), "{headers:?}");
                if (100..200).contains(&status) {
                    assert_eq!(flags & END_STREAM, 0, "an interim response that ends a stream");
                    reply.interim.push((status, headers));
                    return;
                }
                (reply.status, reply.headers) = (status, headers);
            }
            DATA => {
                assert!(reply.status >= 200, "a body before its head");
                reply.body.extend_from_slice(payload);
            }
            _ => reply.reset = Some(u32::from_be_bytes(payload.try_into().expect("four bytes"))),
        }
        reply.ended |= kind != RST_STREAM && flags & END_STREAM != 0;
        let over = reply.is_over();
        if kind == DATA && self.grants && !payload.is_empty() {
            self.grant(0, payload.len() as u32);
            if !over {
                self.grant(id, payload.len() as u32);
            }
        }
    }

    /// Reads until a stream is over, or the connection is, and returns what came.
    #[track_caller]
    pub fn finish(&mut self, id: u32) -> Reply {
        while !self.replies[&id].is_over() && self.step() {}
        self.replies[&id].clone()
    }

    /// Reads until `count` bytes of a body have come, or the stream is over; takes them.
    #[track_caller]
    pub fn take(&mut self, id: u32, count: usize) -> Vec<u8> {
        while self.replies[&id].body.len() < count && !self.replies[&id].is_over() && self.step() {}
        let body = &mut self.replies.get_mut(&id).unwrap().body;
        body.drain(..count.min(body.len())).collect()
    }

    /// Reads until the head of a response has come.
    #[track_caller]
    pub fn head(&mut self, id: u32) -> u16 {
        while self.replies[&id].status < 200 && !self.replies[&id].is_over() && self.step() {}
        self.replies[&id].status
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Reply {
        let id = self.request("GET", path, &[], true);
        self.finish(id)
    }

    /// Reads until the server closes; the code of its GOAWAY.
    #[track_caller]
    pub fn drain(&mut self) -> Option<u32> {
        while self.step() {}
        self.goaway
    }
}

/// The pseudo-headers of a request.
pub fn line<'a>(method: &'a str, authority: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
}

/// A frame (RFC 9113 section 4.1).
pub fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
