//! The state of a connection and what its owner may ask.

mod control;
mod data;
mod headers;
mod receive;
mod send;

use std::collections::VecDeque;

use super::error::{ConnectionError, ErrorCode};
use super::flow::{INITIAL_WINDOW, Inbound, Outbound};
use super::hpack::{Decoder, Encoder, Fields};
use super::limits::{Abuse, CONTROL_BYTES_MAX, Limits, Meters};
use super::stream::{Closed, Streams};
use super::{Event, StreamId, frame, settings};
use crate::http::head::Room;
use headers::Block;
pub use receive::PREFACE_HEAD;
pub use send::Lines;

/// What our PING says that asks whether a client has seen the first GOAWAY.
const DRAIN_PING: [u8; 8] = *b"draining";
/// The last stream in a GOAWAY that refuses none yet (RFC 9113 section 6.8).
const LAST_STREAM_OPEN: u32 = 0x7fff_ffff;
/// Most rooms of heads that are kept for the next ones while a connection is not idle, and the largest of them.
const ROOMS_MAX: usize = 32;
const ROOM_BYTES_MAX: usize = 4096;
/// Room in the output that an idle connection may keep.
const IDLE_OUTPUT_BYTES: usize = 4096;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preface,
    /// The client's first frame must be SETTINGS.
    Settings,
    Open,
    Failed(ConnectionError),
}

/// Whether new requests are still taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// The client was told to go; what it sent before it knew is still served.
    Announced,
    Final,
}

/// The server's side of an HTTP/2 connection.
///
/// The owner offers bytes by [`receive`](Self::receive), then takes events until there are none, then writes the
/// [`output`](Self::output) and empties it; and asks for events again afterwards, since streams may have become
/// writable. A stream of a `Request` or `Refused` event stays in the connection until it is
/// [`release`](Self::release)d, whatever becomes of it before.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    stage: Stage,
    leaving: Leaving,
    out: Vec<u8>,
    /// How much of `out` answers control frames.
    control_bytes: usize,
    events: VecDeque<Event>,
    streams: Streams,
    /// The highest stream that the client opened.
    last: u32,
    decoder: Decoder,
    encoder: Encoder,
    fields: Fields,
    /// Rooms of heads that are no longer needed: what was used last is still in the processor's cache.
    rooms: Vec<Room>,
    /// Bytes that the last head took: the room that the next one gets.
    head_bytes: usize,
    /// The header block that CONTINUATION frames must complete.
    block: Option<Block>,
    inbound: Inbound,
    outbound: Outbound,
    /// SETTINGS_INITIAL_WINDOW_SIZE of the client.
    stream_outbound: u32,
    settings_acked: bool,
    meters: Meters,
    /// Streams that wait until more can be sent, the longest-waiting first.
    blocked: VecDeque<u32>,
    /// Bytes promised by `Writable` events since the windows or the output were last looked at.
    granted: usize,
    /// Streams that were told that it is their turn to send, and have not sent since.
    turns: usize,
}

impl Connection {
    /// A connection whose client has sent nothing yet. The output starts with our SETTINGS.
    pub fn server(limits: Limits) -> Self {
        let mut out = Vec::new();
        settings::write_ours(&limits, &mut out);
        Connection {
            stage: Stage::Preface,
            leaving: Leaving::No,
            out,
            control_bytes: 0,
            events: VecDeque::new(),
            streams: Streams::default(),
            last: 0,
            decoder: Decoder::new(),
            encoder: Encoder::default(),
            fields: Fields::default(),
            rooms: Vec::new(),
            head_bytes: 0,
            block: None,
            inbound: Inbound::new(limits.connection_window.max(INITIAL_WINDOW)),
            outbound: Outbound::new(INITIAL_WINDOW),
            stream_outbound: INITIAL_WINDOW,
            settings_acked: false,
            meters: Meters::default(),
            blocked: VecDeque::new(),
            granted: 0,
            turns: 0,
            limits,
        }
    }

    /// The next thing that the owner must know.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None if self.blocked.is_empty() => return None,
            None => return self.next_writable(),
        };
        if let Event::Data { stream } = event
            && let Some(stream) = self.streams.get_mut(stream.0)
        {
            stream.announced = false;
        }
        Some(event)
    }

    /// What must be written, all frames in one run. The owner empties it, or takes it and leaves an empty one.
    pub fn output(&mut self) -> &mut Vec<u8> {
        self.granted = 0;
        &mut self.out
    }

    /// Whether more should be read from the client. Not while it leaves so much unread that its next requests could only
    /// add to that; true again once the output was emptied.
    pub fn wants_input(&self) -> bool {
        !self.is_failed() && self.out.len() < 2 * self.limits.output_high
    }

    /// Streams that were not released.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Asks the client to open no more streams (RFC 9113 section 6.8). Those that it opened before it knew are served;
    /// its answer to a PING ends that.
    pub fn drain(&mut self) {
        if self.leaving == Leaving::No && !self.is_failed() {
            self.leaving = Leaving::Announced;
            frame::write_goaway(&mut self.out, LAST_STREAM_OPEN, ErrorCode::NO_ERROR);
            frame::write_ping(&mut self.out, 0, &DRAIN_PING);
        }
    }

    /// Tells the client that no streams are taken from here on, and why. Those that are open may end.
    pub fn go_away(&mut self, code: ErrorCode) {
        if self.leaving != Leaving::Final && !self.is_failed() {
            self.leaving = Leaving::Final;
            frame::write_goaway(&mut self.out, self.last, code);
        }
    }

    /// No stream is left, none is taken any more, and all that had to be said was written: time to close.
    pub fn is_finished(&self) -> bool {
        let over = self.leaving == Leaving::Final || self.is_failed();
        over && self.streams.is_empty() && self.out.is_empty()
    }

    /// Gives room back while nothing happens. Worth a call when no stream is open and the output is empty.
    pub fn rest(&mut self) {
        if self.streams.is_empty() {
            self.fields = Fields::default();
            self.rooms = Vec::new();
            self.events = VecDeque::new();
            self.blocked = VecDeque::new();
            self.streams.shrink();
        }
        if self.out.is_empty() {
            self.out.shrink_to(IDLE_OUTPUT_BYTES);
        }
    }

    /// Takes back the room of a head that is no longer needed.
    pub fn take_back(&mut self, mut room: Room) {
        if self.rooms.len() < ROOMS_MAX && room.bytes.capacity() <= ROOM_BYTES_MAX {
            room.bytes.clear();
            room.fields.clear();
            self.rooms.push(room);
        }
    }

    fn is_failed(&self) -> bool {
        matches!(self.stage, Stage::Failed(_))
    }

    /// Ends the connection: nothing follows the GOAWAY, in either direction.
    fn fail(&mut self, error: ConnectionError) {
        frame::write_goaway(&mut self.out, self.last, error.code);
        self.stage = Stage::Failed(error);
        // A stream that its owner never heard of is not released by anybody.
        for event in std::mem::take(&mut self.events) {
            if let Event::Request { stream, .. } | Event::Refused { stream, .. } = event {
                self.streams.remove(stream.0);
            }
        }
        self.blocked.clear();
        self.block = None;
    }

    /// Whether the client never opened this stream, or could not.
    fn is_idle(&self, id: u32) -> bool {
        id > self.last || id.is_multiple_of(2)
    }

    /// Counts output that a client makes us write without reading it.
    fn count_control(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        if self.out.is_empty() {
            self.control_bytes = 0;
        }
        self.control_bytes += bytes;
        match self.control_bytes > CONTROL_BYTES_MAX {
            true => Err(ConnectionError::calm("output_unread")),
            false => Ok(()),
        }
    }

    fn write_reset(&mut self, id: u32, code: ErrorCode) -> Result<(), ConnectionError> {
        self.count_control(frame::HEADER_BYTES + 4)?;
        frame::write_reset(&mut self.out, id, code);
        Ok(())
    }

    /// The client broke a rule on a stream that it had opened: the stream is reset, even if it is over, and that is counted.
    fn stream_error(&mut self, id: u32, code: ErrorCode, cause: &'static str) -> Result<(), ConnectionError> {
        self.meters.spend(Abuse::Violation)?;
        self.write_reset(id, code)?;
        if self.shut(id, Closed::ResetByUs) {
            self.events.push_back(Event::Reset { stream: StreamId(id), code, cause });
        }
        Ok(())
    }

    /// Ends an open stream from one side; false when it was not open. What was received and not taken is let go.
    fn shut(&mut self, id: u32, closed: Closed) -> bool {
        let Some(stream) = self.streams.get_mut(id) else {
            self.streams.forget(id, closed);
            return false;
        };
        if stream.closed().is_some() {
            return false;
        }
        stream.reset = Some(closed);
        let received = std::mem::take(&mut stream.received);
        self.streams.open -= 1;
        self.inbound.consume(received.len());
        self.refund_connection();
        true
    }

    /// Gives the connection's window back when enough of it was consumed.
    fn refund_connection(&mut self) {
        if let Some(increment) = self.inbound.refund() {
            frame::write_window_update(&mut self.out, 0, increment);
        }
    }
}
