//! DATA: bodies of requests, kept until they are taken; their windows open again as far as they were.

use super::super::error::{ConnectionError, ErrorCode};
use super::super::frame::{self, Header, flag};
use super::super::limits::Abuse;
use super::super::stream::Closed;
use super::super::{Event, StreamId};
use super::Connection;
use crate::http::trailers::Trailers;

impl Connection {
    pub(super) fn read_data(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        let id = header.stream;
        if id == 0 || self.is_idle(id) {
            return Err(ConnectionError::protocol("data_on_idle_stream"));
        }
        let data = frame::unpad(header, payload)?;
        let end = header.has(flag::END_STREAM);
        if data.is_empty() && !end {
            self.meters.spend(Abuse::Empty)?;
        }
        if !self.inbound.receive(payload.len()) {
            return Err(ConnectionError::new(ErrorCode::FLOW_CONTROL_ERROR, "connection_window"));
        }
        let (kept, refused) = self.keep_data(id, payload.len(), data);
        self.inbound.consume(payload.len() - kept);
        self.refund_connection();
        match refused {
            Some(refusal) => self.refuse_data(id, refusal),
            None if end => self.end_body(id),
            None => Ok(()),
        }
    }

    /// Adds `data` to what its stream has received. Returns how much of it waits for its owner, or why it does not.
    fn keep_data(&mut self, id: u32, length: usize, data: &[u8]) -> (usize, Option<Refusal>) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.closed().is_none()) else {
            return (0, Some(Refusal::Closed));
        };
        if stream.remote_ended {
            return (0, Some(Refusal::Broken(ErrorCode::STREAM_CLOSED, "data_after_end")));
        }
        if !stream.inbound.receive(length) {
            return (0, Some(Refusal::Broken(ErrorCode::FLOW_CONTROL_ERROR, "stream_window")));
        }
        if let Some(expected) = &mut stream.expected {
            match expected.checked_sub(data.len() as u64) {
                Some(left) => *expected = left,
                None => return (0, Some(Refusal::Broken(ErrorCode::PROTOCOL_ERROR, "content_length_exceeded"))),
            }
        }
        stream.inbound.consume(length - data.len());
        stream.received.extend_from_slice(data);
        if !data.is_empty() && !stream.announced {
            stream.announced = true;
            self.events.push_back(Event::Data { stream: StreamId(id) });
        }
        (data.len(), None)
    }

    fn refuse_data(&mut self, id: u32, refusal: Refusal) -> Result<(), ConnectionError> {
        match refusal {
            Refusal::Broken(code, cause) => self.stream_error(id, code, cause),
            Refusal::Closed => match self.streams.how_closed(id) {
                Some(Closed::Ended) => Err(ConnectionError::new(ErrorCode::STREAM_CLOSED, "data_on_closed_stream")),
                Some(Closed::ResetByClient) => self.stream_error(id, ErrorCode::STREAM_CLOSED, "data_after_reset"),
                // On its way when we reset the stream, or long forgotten.
                Some(Closed::ResetByUs) | None => self.meters.spend(Abuse::Stale),
            },
        }
    }

    /// The client has sent all of a body.
    pub(super) fn end_body(&mut self, id: u32) -> Result<(), ConnectionError> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if stream.expected.is_some_and(|left| left > 0) {
            return self.stream_error(id, ErrorCode::PROTOCOL_ERROR, "content_length_not_reached");
        }
        stream.remote_ended = true;
        let over = stream.closed().is_some();
        self.events.push_back(Event::End { stream: StreamId(id) });
        if over {
            self.streams.open -= 1;
        }
        Ok(())
    }

    /// Moves the body bytes that have come to the end of `into` and returns how many there were. Only this opens the
    /// client's windows again: who takes nothing is sent nothing more.
    pub fn take_data(&mut self, stream: StreamId, into: &mut Vec<u8>) -> usize {
        let Some(found) = self.streams.get_mut(stream.0) else { return 0 };
        let length = found.received.len();
        if length == 0 {
            return 0;
        }
        if into.is_empty() {
            std::mem::swap(into, &mut found.received);
        } else {
            into.append(&mut found.received);
        }
        found.inbound.consume(length);
        if !self.is_failed() {
            self.refund(stream.0);
            self.inbound.consume(length);
            self.refund_connection();
        }
        length
    }

    fn refund(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.remote_ended) else { return };
        if stream.closed().is_none()
            && let Some(increment) = stream.inbound.refund()
        {
            frame::write_window_update(&mut self.out, id, increment);
        }
    }

    /// The fields behind a body that has ended; `None` when there are none that may go on.
    pub fn take_trailers(&mut self, stream: StreamId) -> Option<Box<Trailers>> {
        self.streams.get_mut(stream.0)?.trailers.take()
    }

    /// All of the body was taken, and its end was seen. Also true of streams that are gone.
    pub fn is_ended(&self, stream: StreamId) -> bool {
        self.streams.get(stream.0).is_none_or(|found| found.remote_ended && found.received.is_empty())
    }
}

/// Why body bytes were not kept.
enum Refusal {
    /// The stream is not open.
    Closed,
    Broken(ErrorCode, &'static str),
}
