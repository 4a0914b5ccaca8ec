//! Responses: heads, bodies as far as both windows and the output allow, and the end of a stream.

use super::super::error::{ErrorCode, StreamGone};
use super::super::frame::{self, HEADER_BYTES, PAYLOAD_BYTES_MAX, flag, kind};
use super::super::hpack::Encoder;
use super::super::limits::Abuse;
use super::super::stream::{Closed, Local, Stream, Wait};
use super::super::{Event, StreamId};
use super::Connection;

/// Window updates that a client may send for each DATA frame of ours.
const UPDATES_PER_FRAME: u32 = 4;

/// The fields of a head that is being written.
pub struct Lines<'c> {
    encoder: &'c mut Encoder,
    out: &'c mut Vec<u8>,
}

impl Lines<'_> {
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.field(name, value, self.out);
    }
}

impl Connection {
    /// Sends the head of a response: interim ones (1xx) as often as needed, then the final one, with `end` when no body
    /// follows. Names may be in any case; fields that concern one connection are left out. Names and values must be
    /// clean, as a parser of HTTP leaves them. A head is taken even when the output is full: there is one per stream.
    pub fn send_head<'f>(
        &mut self,
        stream: StreamId,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        end: bool,
    ) -> Result<(), StreamGone> {
        self.send_head_by(stream, status, end, |lines| fields.for_each(|(name, value)| lines.add(name, value)))
    }

    /// The same for fields that are found one by one: `fill` adds them.
    pub fn send_head_by(
        &mut self,
        stream: StreamId,
        status: u16,
        end: bool,
        fill: impl FnOnce(&mut Lines<'_>),
    ) -> Result<(), StreamGone> {
        let interim = (100..200).contains(&status);
        let found = self.sendable(stream.0)?;
        if found.local != Local::Waiting {
            return Err(StreamGone);
        }
        if !interim {
            found.local = Local::Body;
        }
        let start = self.open_block();
        self.encoder.status(status, &mut self.out);
        fill(&mut Lines { encoder: &mut self.encoder, out: &mut self.out });
        let end = end && !interim;
        frame::finish_block(&mut self.out, start, if end { flag::END_STREAM } else { 0 }, stream.0);
        if end {
            self.end_local(stream.0);
        }
        Ok(())
    }

    /// Sends trailers, which end the response.
    pub fn send_trailers<'f>(
        &mut self,
        stream: StreamId,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), StreamGone> {
        if self.sendable(stream.0)?.local != Local::Body {
            return Err(StreamGone);
        }
        let start = self.open_block();
        for (name, value) in fields {
            self.encoder.field(name, value, &mut self.out);
        }
        frame::finish_block(&mut self.out, start, flag::END_STREAM, stream.0);
        self.end_local(stream.0);
        Ok(())
    }

    /// Sends as much of `data` as both windows and the output have room for, and returns how much that was. `end` ends
    /// the response with the last byte of `data`, at once if `data` is empty. When not all was taken, a `Writable` event
    /// says when to send the rest.
    pub fn send_data(&mut self, stream: StreamId, data: &[u8], end: bool) -> Result<usize, StreamGone> {
        if self.sendable(stream.0)?.local != Local::Body {
            return Err(StreamGone);
        }
        self.use_turn(stream.0);
        let length = data.len().min(self.room(stream.0));
        let (now, later) = data.split_at(length);
        let end = end && later.is_empty();
        let mut pieces = now.chunks(PAYLOAD_BYTES_MAX).peekable();
        if now.is_empty() && end {
            frame::write_header(&mut self.out, 0, kind::DATA, flag::END_STREAM, stream.0);
        }
        self.out.reserve(length + length.div_ceil(PAYLOAD_BYTES_MAX) * HEADER_BYTES);
        while let Some(piece) = pieces.next() {
            let flags = if end && pieces.peek().is_none() { flag::END_STREAM } else { 0 };
            frame::write_header(&mut self.out, piece.len(), kind::DATA, flags, stream.0);
            self.out.extend_from_slice(piece);
            self.meters.earn(Abuse::WindowUpdate, UPDATES_PER_FRAME);
            // Clients measure the bandwidth by a PING for each round trip in which data comes; gRPC's do.
            self.meters.earn(Abuse::Ping, 1);
        }
        self.outbound.send(length);
        self.granted = self.granted.saturating_sub(length);
        self.sendable(stream.0)?.outbound.send(length);
        if !later.is_empty() {
            self.block(stream.0);
        }
        if end {
            self.end_local(stream.0);
        }
        Ok(length)
    }

    /// How many bytes [`send_data`](Self::send_data) would take now. When it is none, a `Writable` event says when it is
    /// worth asking again.
    pub fn send_capacity(&mut self, stream: StreamId) -> Result<usize, StreamGone> {
        self.sendable(stream.0)?;
        let room = self.room(stream.0);
        if room == 0 {
            self.block(stream.0);
        }
        Ok(room)
    }

    /// Ends a stream at once; nothing more is sent or received on it. It still needs its release.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if self.sendable_or_ended(stream.0) && self.shut(stream.0, Closed::ResetByUs) {
            frame::write_reset(&mut self.out, stream.0, code);
        }
    }

    /// The owner is done with a stream, for good or ill. A response that was not ended is cut, so that the client sees
    /// it; a body that was not read to its end is declined (RFC 9113 section 8.1). Every stream that came by a `Request`
    /// or `Refused` event must be released once; until then it counts against the client.
    pub fn release(&mut self, stream: StreamId) {
        let Some(found) = self.streams.get(stream.0) else { return };
        let wait = found.wait;
        match found.local {
            Local::Ended => {
                if found.reset.is_none() {
                    // Who lets as many requests be answered as he takes back is no flood, only impatient.
                    self.meters.earn(Abuse::Reset, 1);
                }
                self.reset(stream, ErrorCode::NO_ERROR);
            }
            _ => self.reset(stream, ErrorCode::INTERNAL_ERROR),
        }
        match wait {
            Wait::No => {}
            Wait::Queued => self.blocked.retain(|&id| id != stream.0),
            Wait::Turn => self.use_turn(stream.0),
        }
        if let Some(removed) = self.streams.remove(stream.0) {
            self.inbound.consume(removed.received.len());
        }
        if !self.is_failed() {
            self.refund_connection();
        }
    }

    /// The stream that has waited longest and can send now.
    pub(super) fn next_writable(&mut self) -> Option<Event> {
        let room = self.outbound.left().min(self.limits.output_high.saturating_sub(self.out.len()));
        if self.granted >= room {
            return None;
        }
        let streams = &self.streams;
        let at = self.blocked.iter().position(|&id| {
            // One that ended meanwhile is told so by its own call.
            streams.get(id).is_none_or(|stream| stream.outbound.left() > 0 || stream.closed().is_some())
        })?;
        let id = self.blocked.remove(at)?;
        let stream = self.streams.get_mut(id)?;
        stream.wait = Wait::Turn;
        self.turns += 1;
        self.granted += stream.outbound.left().min(PAYLOAD_BYTES_MAX);
        Some(Event::Writable { stream: StreamId(id) })
    }

    /// A stream whose response is not ended.
    fn sendable(&mut self, id: u32) -> Result<&mut Stream, StreamGone> {
        if self.is_failed() {
            return Err(StreamGone);
        }
        let stream = self.streams.get_mut(id).ok_or(StreamGone)?;
        match stream.closed().is_none() && stream.local != Local::Ended {
            true => Ok(stream),
            false => Err(StreamGone),
        }
    }

    fn sendable_or_ended(&self, id: u32) -> bool {
        !self.is_failed() && self.streams.get(id).is_some_and(|stream| stream.closed().is_none())
    }

    /// Body bytes that a stream may send now. While others wait or are about to send, one frame at a time.
    fn room(&self, id: u32) -> usize {
        let stream = self.streams.get(id).map_or(0, |stream| stream.outbound.left());
        let output = self.limits.output_high.saturating_sub(self.out.len());
        let alone = self.blocked.is_empty() && self.turns == 0;
        let turn = if alone { usize::MAX } else { PAYLOAD_BYTES_MAX };
        stream.min(self.outbound.left()).min(output).min(turn)
    }

    /// Queues a stream until more can be sent.
    fn block(&mut self, id: u32) {
        self.use_turn(id);
        if let Some(stream) = self.streams.get_mut(id)
            && stream.wait == Wait::No
        {
            stream.wait = Wait::Queued;
            self.blocked.push_back(id);
        }
    }

    fn use_turn(&mut self, id: u32) {
        if self.turns > 0
            && let Some(stream) = self.streams.get_mut(id)
            && stream.wait == Wait::Turn
        {
            stream.wait = Wait::No;
            self.turns -= 1;
        }
    }

    /// Makes room for a frame header that [`frame::finish_block`] fills, and starts a header block behind it.
    fn open_block(&mut self) -> usize {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEADER_BYTES]);
        self.encoder.begin(&mut self.out);
        start
    }

    fn end_local(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.local = Local::Ended;
            if stream.remote_ended {
                self.streams.open -= 1;
            }
        }
    }
}
