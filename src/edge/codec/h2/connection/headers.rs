//! HEADERS and CONTINUATION: header blocks put together, decoded, and made requests or the end of a body.

use super::super::error::{ConnectionError, ErrorCode};
use super::super::flow::{INITIAL_WINDOW, Inbound, Outbound};
use super::super::frame::{self, Header, flag};
use super::super::head::{self, Rejection};
use super::super::hpack::Bounds;
use super::super::limits::{
    Abuse, BLOCK_BYTES_MAX, CONTINUATIONS_MAX, HEADS_BYTES_MAX, OUTPUT_BYTES_MAX, STREAMS_ENDING_MAX,
};
use super::super::stream::{Closed, Local, Stream, Wait};
use super::super::{Event, StreamId};
use super::{Connection, Leaving};
use crate::http::framing::BodyLength;

/// Room that a head gets at first: at least, and at most, however large the one before it was.
const HEAD_BYTES_FIRST: std::ops::RangeInclusive<usize> = 256..=2048;

/// A header block whose end has not come.
#[derive(Debug)]
pub(super) struct Block {
    begun: Begun,
    bytes: Vec<u8>,
    continuations: u32,
}

/// What the HEADERS frame said besides the block.
#[derive(Debug, Clone, Copy)]
struct Begun {
    stream: u32,
    end_stream: bool,
    /// Its priority depends on itself (RFC 7540 section 5.3.1).
    on_itself: bool,
}

impl Connection {
    pub(super) fn read_headers(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        if header.stream.is_multiple_of(2) {
            return Err(ConnectionError::protocol("headers_stream_id"));
        }
        let mut fragment = frame::unpad(header, payload)?;
        let mut on_itself = false;
        if header.has(flag::PRIORITY) {
            let (dependency, rest) =
                fragment.split_first_chunk::<5>().ok_or(ConnectionError::frame_size("headers_priority"))?;
            fragment = rest;
            on_itself = depends_on(dependency) == header.stream;
        }
        let begun = Begun { stream: header.stream, end_stream: header.has(flag::END_STREAM), on_itself };
        if header.has(flag::END_HEADERS) {
            return self.finish_block(begun, fragment);
        }
        if fragment.is_empty() {
            self.meters.spend(Abuse::Empty)?;
        }
        self.block = Some(Block { begun, bytes: fragment.to_vec(), continuations: 0 });
        Ok(())
    }

    pub(super) fn read_continuation(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        let Some(mut block) = self.block.take() else {
            return Err(ConnectionError::protocol("continuation_unexpected"));
        };
        if block.begun.stream != header.stream {
            return Err(ConnectionError::protocol("continuation_stream"));
        }
        if payload.is_empty() {
            self.meters.spend(Abuse::Empty)?;
        }
        block.continuations += 1;
        if block.continuations > CONTINUATIONS_MAX {
            return Err(ConnectionError::calm("continuation_flood"));
        }
        if block.bytes.len() + payload.len() > BLOCK_BYTES_MAX {
            return Err(ConnectionError::calm("header_block_too_large"));
        }
        block.bytes.extend_from_slice(payload);
        if header.has(flag::END_HEADERS) {
            return self.finish_block(block.begun, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    fn finish_block(&mut self, begun: Begun, block: &[u8]) -> Result<(), ConnectionError> {
        self.fields.clear();
        if self.fields.bytes.capacity() == 0 {
            let room = self.rooms.pop().unwrap_or_default();
            (self.fields.bytes, self.fields.list) = (room.bytes, room.fields);
        }
        self.fields.bytes.reserve(self.head_bytes.clamp(*HEAD_BYTES_FIRST.start(), *HEAD_BYTES_FIRST.end()));
        let bounds = Bounds { bytes: self.limits.header_list_bytes, lines: self.limits.fields };
        self.decoder
            .decode(block, &bounds, &mut self.fields)
            .map_err(|error| ConnectionError::new(ErrorCode::COMPRESSION_ERROR, error.slug()))?;
        match begun.stream > self.last {
            true => self.open(begun),
            false => self.end_by_trailers(begun),
        }
    }

    fn open(&mut self, begun: Begun) -> Result<(), ConnectionError> {
        let id = begun.stream;
        self.last = id;
        let full = self.streams.open >= self.limits.streams
            || self.streams.len() >= (self.limits.streams + STREAMS_ENDING_MAX) as usize
            || self.streams.heads_bytes > HEADS_BYTES_MAX
            || self.out.len() > OUTPUT_BYTES_MAX;
        if full || self.leaving == Leaving::Final {
            self.meters.spend(Abuse::Refused)?;
            self.streams.forget(id, Closed::ResetByUs);
            return self.write_reset(id, ErrorCode::REFUSED_STREAM);
        }
        if begun.on_itself {
            return self.reject(id, "priority_on_itself");
        }
        let stream = StreamId(id);
        let event = match head::build(&mut self.fields, begun.end_stream, self.limits.extended_connect) {
            Ok(request) => {
                let head::Request { head, body, protocol } = request;
                self.head_bytes = head.size();
                Event::Request { stream, head, body, protocol }
            }
            Err(Rejection::Refused(error)) => Event::Refused { stream, error },
            Err(Rejection::Malformed(cause)) => return self.reject(id, cause),
        };
        let (head_bytes, expected) = match &event {
            Event::Request { head, body: BodyLength::Fixed(length), .. } => (head.size(), Some(*length)),
            Event::Request { head, .. } => (head.size(), None),
            _ => (0, None),
        };
        self.insert(begun, head_bytes, expected);
        self.events.push_back(event);
        Ok(())
    }

    fn insert(&mut self, begun: Begun, head_bytes: usize, expected: Option<u64>) {
        // Until it has seen our SETTINGS the client counts on the window that every stream starts with.
        let window = match self.settings_acked {
            true => self.limits.stream_window,
            false => self.limits.stream_window.max(INITIAL_WINDOW),
        };
        self.streams.insert(Stream {
            id: begun.stream,
            opened_ms: self.meters.now_ms,
            head_bytes,
            local: Local::Waiting,
            remote_ended: begun.end_stream,
            reset: None,
            received: Vec::new(),
            announced: false,
            trailers: None,
            expected,
            inbound: Inbound::new(window),
            outbound: Outbound::new(self.stream_outbound),
            wait: Wait::No,
        });
    }

    /// Resets the stream of a malformed request (RFC 9113 section 8.1.1).
    fn reject(&mut self, id: u32, cause: &'static str) -> Result<(), ConnectionError> {
        self.stream_error(id, ErrorCode::PROTOCOL_ERROR, cause)?;
        self.events.push_back(Event::Malformed { stream: StreamId(id), cause });
        Ok(())
    }

    /// A header block on a stream that was opened before: the end of a body, or something that came too late.
    fn end_by_trailers(&mut self, begun: Begun) -> Result<(), ConnectionError> {
        let id = begun.stream;
        let remote_ended = self.streams.get(id).map(|stream| stream.remote_ended);
        match (self.streams.how_closed(id), remote_ended) {
            (Some(Closed::Ended), _) => Err(ConnectionError::new(ErrorCode::STREAM_CLOSED, "headers_on_closed_stream")),
            (Some(Closed::ResetByUs), _) => self.meters.spend(Abuse::Stale),
            (Some(Closed::ResetByClient), _) | (None, Some(true)) => {
                self.stream_error(id, ErrorCode::STREAM_CLOSED, "headers_after_end")
            }
            (None, None) => Err(ConnectionError::protocol("stream_id_not_new")),
            (None, Some(false)) if begun.on_itself => {
                self.stream_error(id, ErrorCode::PROTOCOL_ERROR, "priority_on_itself")
            }
            (None, Some(false)) if !begun.end_stream => {
                self.stream_error(id, ErrorCode::PROTOCOL_ERROR, "trailers_without_end")
            }
            (None, Some(false)) => match head::trailers(&self.fields) {
                Ok(trailers) => {
                    if let Some(stream) = self.streams.get_mut(id) {
                        stream.trailers = trailers;
                    }
                    self.end_body(id)
                }
                Err(_) => self.stream_error(id, ErrorCode::PROTOCOL_ERROR, "trailers"),
            },
        }
    }
}

/// The stream that a priority depends on.
pub(super) fn depends_on(priority: &[u8; 5]) -> u32 {
    let [d0, d1, d2, d3, _weight] = *priority;
    u32::from_be_bytes([d0, d1, d2, d3]) & 0x7fff_ffff
}
