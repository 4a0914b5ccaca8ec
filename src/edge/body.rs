//! Message bodies on their way: taken from one side's framing, put into the other's. Bodies are never collected.

use crate::http::framing::{BodyLength, ChunkDecoder, LAST_CHUNK, Step, write_chunk_head};
use crate::http::trailers::Trailers;

/// Where a body stands: how much of it is still to come.
#[derive(Debug)]
pub enum Incoming {
    Ended,
    /// Ended, with fields behind it.
    Trailing(Box<Trailers>),
    Fixed(u64),
    Chunked(ChunkDecoder),
    /// Until the sender closes; `closed` when it has.
    UntilClose {
        closed: bool,
    },
}

/// How a body is written onwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// The bytes as they are (a length was announced).
    Plain,
    Chunked,
}

impl Outgoing {
    /// The framing for a body of which so much is known.
    pub fn of(body: BodyLength) -> Self {
        match body {
            BodyLength::Chunked | BodyLength::UntilClose => Outgoing::Chunked,
            BodyLength::None | BodyLength::Fixed(_) => Outgoing::Plain,
        }
    }
}

/// The body is malformed; the connection it came by is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl Incoming {
    pub fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::None | BodyLength::Fixed(0) => Incoming::Ended,
            BodyLength::Fixed(length) => Incoming::Fixed(length),
            BodyLength::Chunked => Incoming::Chunked(ChunkDecoder::new()),
            BodyLength::UntilClose => Incoming::UntilClose { closed: false },
        }
    }

    pub fn is_ended(&self) -> bool {
        matches!(self, Incoming::Ended | Incoming::Trailing(_))
    }

    /// The fields behind a body that has ended.
    pub fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        match std::mem::replace(self, Incoming::Ended) {
            Incoming::Trailing(trailers) => Some(trailers),
            other => {
                *self = other;
                None
            }
        }
    }

    /// How many bytes are worth reading at once, at most `most`.
    pub fn room(&self, most: usize) -> usize {
        match self {
            Incoming::Fixed(left) => usize::try_from(*left).unwrap_or(most).min(most).max(1),
            _ => most,
        }
    }

    /// Takes what belongs to the body from the start of `inbox`, appends it to `out` framed anew, and returns how many
    /// bytes of body there were. What follows the body stays in `inbox`; what ends it in its new framing is not written.
    pub fn pass(&mut self, inbox: &mut Vec<u8>, outgoing: Outgoing, out: &mut Vec<u8>) -> Result<u64, Malformed> {
        let size = match self {
            Incoming::Ended | Incoming::Trailing(_) => return Ok(0),
            Incoming::Fixed(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                *left -= take as u64;
                let ended = *left == 0;
                if out.is_empty() && take == inbox.len() && outgoing == Outgoing::Plain {
                    // All of it goes on as it is: the buffers change places instead of their bytes.
                    std::mem::swap(inbox, out);
                } else {
                    write_data(&inbox[..take], outgoing, out);
                    consume(inbox, take);
                }
                if ended {
                    *self = Incoming::Ended;
                }
                take as u64
            }
            Incoming::UntilClose { closed } => {
                let (take, ended) = (inbox.len(), *closed);
                write_data(inbox, outgoing, out);
                inbox.clear();
                if ended {
                    *self = Incoming::Ended;
                }
                take as u64
            }
            Incoming::Chunked(decoder) => {
                let (size, ended) = pass_chunks(decoder, inbox, outgoing, out)?;
                if ended {
                    *self = decoder.take_trailers().map_or(Incoming::Ended, Incoming::Trailing);
                }
                size
            }
        };
        Ok(size)
    }

    /// The sender closed: an end for a body that ends with its connection, a cut for every other.
    pub fn close(&mut self) -> Result<(), Malformed> {
        match self {
            Incoming::Ended | Incoming::Trailing(_) => Ok(()),
            Incoming::UntilClose { closed } => {
                *closed = true;
                Ok(())
            }
            Incoming::Fixed(_) | Incoming::Chunked(_) => Err(Malformed("the body was cut short")),
        }
    }
}

fn pass_chunks(
    decoder: &mut ChunkDecoder,
    inbox: &mut Vec<u8>,
    outgoing: Outgoing,
    out: &mut Vec<u8>,
) -> Result<(u64, bool), Malformed> {
    let mut size = 0;
    let mut done = 0;
    loop {
        match decoder.next(&inbox[done..]) {
            Ok(Step::Data(range)) => {
                let data = &inbox[done + range.start..done + range.end];
                size += data.len() as u64;
                write_data(data, outgoing, out);
                done += range.end;
            }
            Ok(Step::More) => {
                inbox.clear();
                return Ok((size, false));
            }
            Ok(Step::End { consumed }) => {
                consume(inbox, done + consumed);
                return Ok((size, true));
            }
            Err(_) => return Err(Malformed("the chunked coding is malformed")),
        }
    }
}

/// Appends what ends a body in the framing `outgoing`. Only the chunked coding has a place for trailers.
pub fn write_end(outgoing: Outgoing, trailers: Option<&Trailers>, out: &mut Vec<u8>) {
    match (outgoing, trailers) {
        (Outgoing::Plain, _) => {}
        (Outgoing::Chunked, None) => out.extend_from_slice(LAST_CHUNK),
        (Outgoing::Chunked, Some(trailers)) => {
            out.extend_from_slice(b"0\r\n");
            trailers.write(out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends body bytes in the framing `outgoing`.
pub fn write_data(data: &[u8], outgoing: Outgoing, out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    match outgoing {
        Outgoing::Plain => out.extend_from_slice(data),
        Outgoing::Chunked => {
            write_chunk_head(out, data.len());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn consume(inbox: &mut Vec<u8>, count: usize) {
    if count == inbox.len() {
        inbox.clear();
    } else {
        inbox.drain(..count);
    }
}
