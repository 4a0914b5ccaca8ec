//! The codec as a client meets it: frames in, frames and events out.

mod floods;
mod flow;
mod frames;
mod oracle;
mod requests;
mod responses;
mod split;

use super::error::ConnectionError;
use super::frame::{self, HEADER_BYTES, Header, flag, kind};
use super::{Connection, ErrorCode, Event, Limits, StreamId};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, l0, l1, l2] = (payload.len() as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [&[l0, l1, l2, kind, flags, s0, s1, s2, s3], payload].concat()
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(id, v)| [&id.to_be_bytes()[..], &v.to_be_bytes()].concat()).collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A header block in which every field is a plain literal.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                length @ 0..127 => block.push(length as u8),
                length => {
                    let rest = length - 127;
                    block.extend_from_slice(&[0x7f, rest as u8 | 0x80, (rest >> 7) as u8 | 0x80, (rest >> 14) as u8]);
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.example")];
pub const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a.example")];

pub fn headers(stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let end = if end { flag::END_STREAM } else { 0 };
    frame(kind::HEADERS, flag::END_HEADERS | end, stream, &block(fields))
}

pub fn get(stream: u32) -> Vec<u8> {
    headers(stream, true, GET)
}

pub fn data(stream: u32, end: bool, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, bytes)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// A frame that came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Sent {
    pub fn number(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

pub fn parse(mut bytes: &[u8]) -> Vec<Sent> {
    let mut frames = Vec::new();
    while let Some((header, tail)) = bytes.split_first_chunk::<HEADER_BYTES>() {
        let Header { length, kind, flags, stream } = Header::read(header);
        frames.push(Sent { kind, flags, stream, payload: tail[..length].to_vec() });
        bytes = &tail[length..];
    }
    assert!(bytes.is_empty());
    frames
}

/// A connection and the clock of its meters.
pub struct Server {
    pub connection: Connection,
    pub now_ms: u64,
}

impl Server {
    /// A server before the preface.
    pub fn fresh(limits: Limits) -> Self {
        Server { connection: Connection::server(limits), now_ms: 1 }
    }

    /// A server that has exchanged SETTINGS with its client, with empty output.
    pub fn with(limits: Limits, theirs: &[(u16, u32)]) -> Self {
        let mut server = Self::fresh(limits);
        server.take(&[PREFACE, &settings(theirs), &frame(kind::SETTINGS, flag::ACK, 0, &[])].concat()).unwrap();
        server.frames();
        server
    }

    pub fn new() -> Self {
        Self::with(Limits::default(), &[])
    }

    /// Offers whole frames.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        let used = self.connection.receive(bytes, self.now_ms)?;
        assert_eq!(used, bytes.len());
        Ok(())
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Events in a form that compares.
    pub fn seen(&mut self) -> Vec<String> {
        self.events().iter().map(describe).collect()
    }

    pub fn frames(&mut self) -> Vec<Sent> {
        parse(&std::mem::take(self.connection.output()))
    }

    pub fn kinds(&mut self) -> Vec<u8> {
        self.frames().iter().map(|sent| sent.kind).collect()
    }

    /// Answers a request with an empty 200 and lets go of it.
    pub fn answer(&mut self, stream: u32) {
        self.connection.send_head(StreamId(stream), 200, std::iter::empty(), true).unwrap();
        self.connection.release(StreamId(stream));
    }

    /// Takes bytes that must end the connection.
    pub fn fails(&mut self, bytes: &[u8]) -> ConnectionError {
        let error = self.connection.receive(bytes, self.now_ms).expect_err("the connection goes on");
        let last = self.frames().pop().unwrap();
        assert_eq!((last.kind, &last.payload[4..]), (kind::GOAWAY, &error.code.0.to_be_bytes()[..]));
        assert!(self.events().is_empty());
        assert_eq!(self.connection.receive(&[], self.now_ms), Err(error));
        error
    }

    /// The code of the only RST_STREAM in the output.
    pub fn reset_code(&mut self, stream: u32) -> Option<ErrorCode> {
        let frames = self.frames();
        let mut resets = frames.iter().filter(|sent| sent.kind == kind::RST_STREAM);
        let code = resets.next().map(|sent| {
            assert_eq!(sent.stream, stream);
            ErrorCode(sent.number())
        });
        assert!(resets.next().is_none() && frames.iter().all(|sent| sent.kind != kind::GOAWAY));
        code
    }
}

/// An event in a few words.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Request { stream, head, body, protocol } => {
            let fields: Vec<String> = head
                .pairs()
                .map(|(n, v)| format!("{}={}", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
                .collect();
            let target = String::from_utf8_lossy(head.target());
            let protocol = protocol.map(|p| format!(" {p:?}")).unwrap_or_default();
            format!("{} {} {target} {} {body:?}{protocol}", stream.0, head.method(), fields.join(","))
        }
        Event::Refused { stream, error } => format!("{} refused {error:?}", stream.0),
        Event::Malformed { stream, cause } => format!("{} malformed {cause}", stream.0),
        Event::Data { stream } => format!("{} data", stream.0),
        Event::End { stream } => format!("{} end", stream.0),
        Event::Reset { stream, code, cause } => format!("{} reset {code} {cause}", stream.0),
        Event::Writable { stream } => format!("{} writable", stream.0),
        Event::GoAway { code } => format!("goaway {code}"),
    }
}

#[test]
fn the_output_starts_with_our_settings() {
    let mut server = Server::fresh(Limits::default());
    let frames = server.frames();
    let expected: Vec<u8> = [(3u16, 100u32), (4, 65_536), (5, 16_384), (6, 131_072), (8, 1)]
        .iter()
        .flat_map(|(id, v)| [&id.to_be_bytes()[..], &v.to_be_bytes()].concat())
        .collect();
    assert_eq!(frames[0], Sent { kind: kind::SETTINGS, flags: 0, stream: 0, payload: expected });
    assert_eq!((frames[1].kind, frames[1].number()), (kind::WINDOW_UPDATE, 1024 * 1024 - 65_535));
    assert_eq!(frames.len(), 2);
    let mut plain = Server::fresh(Limits { extended_connect: false, ..Limits::default() });
    assert_eq!(plain.frames()[0].payload.len(), 4 * 6);
    assert_eq!(frame::PAYLOAD_BYTES_MAX, 16_384);
}
