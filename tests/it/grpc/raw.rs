//! An upstream of HTTP/2 that sends the frames it is told to, right or wrong.

use std::io;

use crate::harness::Upstream;
use crate::harness::upstream::Served;
use crate::http2::client::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, frame,
};
use crate::http2::fields;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Frame {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

/// One connection, after its preface.
pub struct Peer<'s> {
    served: &'s mut Served,
    /// 0 for the first connection, and so on.
    pub number: usize,
}

/// As in `to`.
pub fn url(upstream: &Upstream) -> String {
    format!("h2c://{}", upstream.address)
}

/// An upstream whose `handler` runs for each connection, which closes when it returns.
pub fn upstream(handler: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
    upstream_of(|served| served.write(frame(SETTINGS, 0, 0, b"")), handler)
}

/// As [`upstream`], which takes one request at a time on a connection.
pub fn taking_one(handler: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
    upstream_of(|served| served.write(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1])), handler)
}

/// As [`upstream`], which takes WebSockets (RFC 8441).
pub fn taking_websockets(handler: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
    upstream_of(|served| served.write(websocket_settings()), handler)
}

/// As [`taking_websockets`], and says so in two pieces; the second comes once the first was read.
pub fn taking_websockets_slowly(handler: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
    let hesitate = |served: &mut Served| {
        let settings = websocket_settings();
        let (first, rest) = settings.split_at(settings.len() - 1);
        served.write(first)?;
        served.wait_until_read();
        served.write(rest)
    };
    upstream_of(hesitate, handler)
}

fn websocket_settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 1])
}

fn upstream_of(
    begin: impl Fn(&mut Served) -> io::Result<()> + Send + Sync + 'static,
    handler: impl Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Upstream {
    Upstream::with(move |served| {
        let number = served.number;
        if served.take(PREFACE.len())? != PREFACE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no preface"));
        }
        begin(served)?;
        let mut peer = Peer { served, number };
        handler(&mut peer)
    })
}

impl Peer<'_> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.served.write(bytes)
    }

    /// Reads until a request has come whole; its stream. `None`: the other side has closed.
    pub fn request(&mut self) -> io::Result<Option<u32>> {
        self.until(|kind, flags| matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0)
    }

    /// Reads until the head of a request has come; its stream.
    pub fn head(&mut self) -> io::Result<Option<u32>> {
        self.until(|kind, _| kind == HEADERS)
    }

    /// Reads a part of a body, and whether it is the last.
    pub fn part(&mut self) -> io::Result<(Vec<u8>, bool)> {
        loop {
            let frame = self.frame()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if frame.kind == DATA {
                return Ok((frame.payload, frame.flags & END_STREAM != 0));
            }
        }
    }

    /// Reads until a stream is reset; which one.
    pub fn reset(&mut self) -> io::Result<Option<u32>> {
        self.until(|kind, _| kind == RST_STREAM)
    }

    /// Reads until a PING comes, and answers it.
    pub fn ping(&mut self) -> io::Result<()> {
        self.until(|kind, flags| kind == PING && flags & ACK == 0).map(drop)
    }

    fn until(&mut self, found: impl Fn(u8, u8) -> bool) -> io::Result<Option<u32>> {
        while let Some(frame) = self.frame()? {
            if found(frame.kind, frame.flags) {
                return Ok(Some(frame.id));
            }
        }
        Ok(None)
    }

    /// The next frame. What must be acknowledged is.
    fn frame(&mut self) -> io::Result<Option<Frame>> {
        let head = match self.served.take(9) {
            Ok(head) => head,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.served.take(length)?;
        let (kind, flags, id) = (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        match kind {
            SETTINGS if flags & ACK == 0 => self.send(frame(SETTINGS, ACK, 0, b""))?,
            PING if flags & ACK == 0 => self.send(frame(PING, ACK, 0, &payload))?,
            _ => {}
        }
        Ok(Some(Frame { kind, flags, id, payload }))
    }

    pub fn fields(&mut self, id: u32, fields: &[(&str, &str)], end: bool) -> io::Result<()> {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.send(frame(HEADERS, flags, id, &fields::encode(fields)))
    }

    /// A head that is larger than one frame.
    pub fn long_fields(&mut self, id: u32, fields: &[(&str, &str)]) -> io::Result<()> {
        let block = fields::encode(fields);
        let mut pieces = block.chunks(16_384).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            self.send(frame(kind, if pieces.peek().is_none() { END_HEADERS } else { 0 }, id, piece))?;
            kind = CONTINUATION;
        }
        Ok(())
    }

    pub fn data(&mut self, id: u32, data: &[u8], end: bool) -> io::Result<()> {
        self.send(frame(DATA, if end { END_STREAM } else { 0 }, id, data))
    }

    /// An answer of a few bytes.
    pub fn answer(&mut self, id: u32, body: &str) -> io::Result<()> {
        self.fields(id, &[(":status", "200")], false)?;
        self.data(id, body.as_bytes(), true)
    }

    pub fn go_away(&mut self, last: u32, code: u32) -> io::Result<()> {
        self.send(frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()))
    }

    pub fn reset_stream(&mut self, id: u32, code: u32) -> io::Result<()> {
        self.send(frame(RST_STREAM, 0, id, &code.to_be_bytes()))
    }

    /// Reads and forgets until the other side closes.
    pub fn wait_for_close(&mut self) -> io::Result<()> {
        self.served.wait_for_close()
    }
}
