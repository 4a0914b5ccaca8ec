//! Bytes to frames: the preface, the frame header, and who is responsible for each kind.

use super::super::error::ConnectionError;
use super::super::frame::{HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, flag, kind};
use super::super::limits::Abuse;
use super::{Connection, Stage};

/// What a client says first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The part of it that looks like the head of a request (RFC 9113 section 3.4: no server of HTTP/1 serves one).
pub const PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

impl Connection {
    /// Takes what the client sent and returns how many bytes were used. Whole frames are read where they stand; the rest,
    /// at most a frame, must be offered again with what follows it. `now_ms` is a clock that does not go back.
    ///
    /// After an error the connection is over: the output ends with a GOAWAY, no events are left, nothing can be sent on
    /// any stream, and every later call returns the same error. Streams must still be released.
    pub fn receive(&mut self, input: &[u8], now_ms: u64) -> Result<usize, ConnectionError> {
        if let Stage::Failed(error) = self.stage {
            return Err(error);
        }
        self.meters.now_ms = now_ms;
        self.granted = 0;
        self.read_frames(input).inspect_err(|error| self.fail(*error))
    }

    fn read_frames(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        let mut rest = input;
        if self.stage == Stage::Preface {
            let length = rest.len().min(PREFACE.len());
            if rest[..length] != PREFACE[..length] {
                return Err(ConnectionError::protocol("preface"));
            }
            if length < PREFACE.len() {
                return Ok(0);
            }
            rest = &rest[length..];
            self.stage = Stage::Settings;
        }
        while let Some((header, tail)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::read(header);
            if header.length > PAYLOAD_BYTES_MAX {
                return Err(ConnectionError::frame_size("frame_too_large"));
            }
            let Some((payload, tail)) = tail.split_at_checked(header.length) else { break };
            self.read_frame(&header, payload)?;
            rest = tail;
        }
        Ok(input.len() - rest.len())
    }

    fn read_frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), ConnectionError> {
        if self.stage == Stage::Settings {
            if header.kind != kind::SETTINGS || header.has(flag::ACK) {
                return Err(ConnectionError::protocol("settings_expected"));
            }
            self.stage = Stage::Open;
        }
        if self.block.is_some() && header.kind != kind::CONTINUATION {
            return Err(ConnectionError::protocol("continuation_expected"));
        }
        match header.kind {
            kind::DATA => self.read_data(header, payload),
            kind::HEADERS => self.read_headers(header, payload),
            kind::PRIORITY => self.read_priority(header, payload),
            kind::RST_STREAM => self.read_reset(header, payload),
            kind::SETTINGS => self.read_settings(header, payload),
            kind::PUSH_PROMISE => Err(ConnectionError::protocol("push_promise")),
            kind::PING => self.read_ping(header, payload),
            kind::GOAWAY => self.read_goaway(header, payload),
            kind::WINDOW_UPDATE => self.read_window_update(header, payload),
            kind::CONTINUATION => self.read_continuation(header, payload),
            // Extensions are ignored (RFC 9113 section 5.5).
            _ => self.meters.spend(Abuse::Unknown),
        }
    }
}
