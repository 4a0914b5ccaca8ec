//! The frames that carry no message: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY.

use super::super::error::{ConnectionError, ErrorCode};
use super::super::flow::INITIAL_WINDOW;
use super::super::frame::{self, HEADER_BYTES, Header, flag, kind, read_u32};
use super::super::limits::Abuse;
use super::super::settings;
use super::super::stream::Closed;
use super::super::{Event, StreamId};
use super::headers::depends_on;
use super::{Connection, DRAIN_PING, Leaving};

/// A stream that is taken back later than this took a place for long enough to be no flood: deadlines of gRPC end so.
const YOUNG_MS: u64 = 1_000;

impl Connection {
    pub(super) fn read_settings(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        if header.stream != 0 {
            return Err(ConnectionError::protocol("settings_stream_id"));
        }
        if header.has(flag::ACK) {
            return self.read_settings_ack(payload);
        }
        let theirs = settings::read(payload)?;
        self.meters.spend(Abuse::Settings)?;
        if let Some(window) = theirs.window {
            self.move_windows(window)?;
        }
        if let Some(bytes) = theirs.table_bytes {
            self.encoder.limit(bytes);
        }
        self.count_control(HEADER_BYTES)?;
        frame::write_header(&mut self.out, 0, kind::SETTINGS, flag::ACK, 0);
        Ok(())
    }

    fn read_settings_ack(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        if !payload.is_empty() {
            return Err(ConnectionError::frame_size("settings_ack_length"));
        }
        if std::mem::replace(&mut self.settings_acked, true) {
            return self.meters.spend(Abuse::Settings);
        }
        let less = INITIAL_WINDOW.saturating_sub(self.limits.stream_window);
        if less > 0 {
            self.streams.iter_mut().for_each(|stream| stream.inbound.shrink(less));
        }
        Ok(())
    }

    /// The client's initial window changed: so do the windows of all streams (RFC 9113 section 6.9.2).
    fn move_windows(&mut self, window: u32) -> Result<(), ConnectionError> {
        let by = i64::from(window) - i64::from(self.stream_outbound);
        self.stream_outbound = window;
        match self.streams.iter_mut().all(|stream| stream.outbound.move_by(by)) {
            true => Ok(()),
            false => Err(ConnectionError::new(ErrorCode::FLOW_CONTROL_ERROR, "settings_window_overflow")),
        }
    }

    pub(super) fn read_ping(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        if header.stream != 0 {
            return Err(ConnectionError::protocol("ping_stream_id"));
        }
        if payload.len() != DRAIN_PING.len() {
            return Err(ConnectionError::frame_size("ping_length"));
        }
        self.meters.spend(Abuse::Ping)?;
        if !header.has(flag::ACK) {
            self.count_control(HEADER_BYTES + payload.len())?;
            frame::write_ping(&mut self.out, flag::ACK, payload);
        } else if payload == DRAIN_PING && self.leaving == Leaving::Announced {
            self.go_away(ErrorCode::NO_ERROR);
        }
        Ok(())
    }

    pub(super) fn read_goaway(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        if header.stream != 0 {
            return Err(ConnectionError::protocol("goaway_stream_id"));
        }
        let [_, _, _, _, c0, c1, c2, c3, ..] = *payload else {
            return Err(ConnectionError::frame_size("goaway_length"));
        };
        self.meters.spend(Abuse::Settings)?;
        let code = ErrorCode(u32::from_be_bytes([c0, c1, c2, c3]));
        self.events.push_back(Event::GoAway { code });
        Ok(())
    }

    pub(super) fn read_window_update(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        let Some(increment) = read_u32(payload) else {
            return Err(ConnectionError::frame_size("window_update_length"));
        };
        let increment = i64::from(increment & 0x7fff_ffff);
        let id = header.stream;
        self.meters.spend(Abuse::WindowUpdate)?;
        if id == 0 {
            if increment == 0 {
                return Err(ConnectionError::protocol("window_update_zero"));
            }
            return match self.outbound.move_by(increment) {
                true => Ok(()),
                false => Err(ConnectionError::new(ErrorCode::FLOW_CONTROL_ERROR, "window_overflow")),
            };
        }
        if self.is_idle(id) {
            return Err(ConnectionError::protocol("window_update_on_idle_stream"));
        }
        if increment == 0 {
            return self.stream_error(id, ErrorCode::PROTOCOL_ERROR, "window_update_zero");
        }
        // Streams that are over may still get window updates.
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.closed().is_none()) else { return Ok(()) };
        match stream.outbound.move_by(increment) {
            true => Ok(()),
            false => self.stream_error(id, ErrorCode::FLOW_CONTROL_ERROR, "window_overflow"),
        }
    }

    pub(super) fn read_reset(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        let id = header.stream;
        let Some(code) = read_u32(payload) else {
            return Err(ConnectionError::frame_size("reset_length"));
        };
        if id == 0 || self.is_idle(id) {
            return Err(ConnectionError::protocol("reset_on_idle_stream"));
        }
        let Some(stream) = self.streams.get(id).filter(|stream| stream.closed().is_none()) else {
            return self.meters.spend(Abuse::Stale);
        };
        if self.meters.now_ms.saturating_sub(stream.opened_ms) < YOUNG_MS {
            self.meters.spend(Abuse::Reset)?;
        }
        self.shut(id, Closed::ResetByClient);
        self.events.push_back(Event::Reset { stream: StreamId(id), code: ErrorCode(code), cause: "client" });
        Ok(())
    }

    /// Priorities are read for their form alone (RFC 9113 section 5.3.2).
    pub(super) fn read_priority(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        let id = header.stream;
        if id == 0 {
            return Err(ConnectionError::protocol("priority_stream_id"));
        }
        self.meters.spend(Abuse::Priority)?;
        let (code, cause) = match <&[u8; 5]>::try_from(payload) {
            Ok(priority) if depends_on(priority) != id => return Ok(()),
            Ok(_) => (ErrorCode::PROTOCOL_ERROR, "priority_on_itself"),
            Err(_) => (ErrorCode::FRAME_SIZE_ERROR, "priority_length"),
        };
        // A stream that was never opened cannot be reset.
        if self.is_idle(id) {
            return Err(ConnectionError::new(code, cause));
        }
        self.stream_error(id, code, cause)
    }
}
