//! SETTINGS: what we announce, and what a client may (RFC 9113 section 6.5, RFC 8441 section 3, RFC 9218 section 2.1).

use super::error::{ConnectionError, ErrorCode};
use super::flow::{INITIAL_WINDOW, WINDOW_MAX};
use super::frame::{self, PAYLOAD_BYTES_MAX, kind};
use super::limits::Limits;

mod id {
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    pub const ENABLE_PUSH: u16 = 0x2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
    pub const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// Bytes of one setting.
const SETTING_BYTES: usize = 6;
/// Largest value of MAX_FRAME_SIZE.
const FRAME_SIZE_MAX: u32 = (1 << 24) - 1;

/// Writes our SETTINGS, and the WINDOW_UPDATE that opens the connection's window.
pub fn write_ours(limits: &Limits, out: &mut Vec<u8>) {
    let mut settings = vec![
        (id::MAX_CONCURRENT_STREAMS, limits.streams),
        (id::INITIAL_WINDOW_SIZE, limits.stream_window),
        (id::MAX_FRAME_SIZE, PAYLOAD_BYTES_MAX as u32),
        (id::MAX_HEADER_LIST_SIZE, u32::try_from(limits.header_list_bytes).unwrap_or(u32::MAX)),
    ];
    if limits.extended_connect {
        settings.push((id::ENABLE_CONNECT_PROTOCOL, 1));
    }
    frame::write_header(out, settings.len() * SETTING_BYTES, kind::SETTINGS, 0, 0);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    let more = limits.connection_window.saturating_sub(INITIAL_WINDOW);
    if more > 0 {
        frame::write_window_update(out, 0, more);
    }
}

/// What of a client's SETTINGS matters here: we push nothing, and send no frame that is larger than the smallest limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Theirs {
    /// The initial window of its streams; the last word counts.
    pub window: Option<u32>,
    /// The size of the table that it keeps for us; the smallest word counts (RFC 7541 section 4.2).
    pub table_bytes: Option<u32>,
}

/// Reads a client's SETTINGS.
pub fn read(payload: &[u8]) -> Result<Theirs, ConnectionError> {
    let (settings, rest) = payload.as_chunks::<SETTING_BYTES>();
    if !rest.is_empty() {
        return Err(ConnectionError::frame_size("settings_length"));
    }
    let mut theirs = Theirs::default();
    for &[i0, i1, v0, v1, v2, v3] in settings {
        let value = u32::from_be_bytes([v0, v1, v2, v3]);
        match u16::from_be_bytes([i0, i1]) {
            id::ENABLE_PUSH | id::ENABLE_CONNECT_PROTOCOL | id::NO_RFC7540_PRIORITIES if value > 1 => {
                return Err(ConnectionError::protocol("settings_flag"));
            }
            id::INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                return Err(ConnectionError::new(ErrorCode::FLOW_CONTROL_ERROR, "settings_window"));
            }
            id::INITIAL_WINDOW_SIZE => theirs.window = Some(value),
            id::HEADER_TABLE_SIZE => {
                theirs.table_bytes = Some(theirs.table_bytes.map_or(value, |smaller| smaller.min(value)));
            }
            id::MAX_FRAME_SIZE if !(PAYLOAD_BYTES_MAX as u32..=FRAME_SIZE_MAX).contains(&value) => {
                return Err(ConnectionError::protocol("settings_frame_size"));
            }
            _ => {}
        }
    }
    Ok(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: u16, value: u32) -> Vec<u8> {
        [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
    }

    #[test]
    fn values_are_checked() {
        for (id, value, expected) in [
            (1, u32::MAX, Ok(None)),
            (2, 0, Ok(None)),
            (2, 1, Ok(None)),
            (2, 2, Err(ErrorCode::PROTOCOL_ERROR)),
            (3, 0, Ok(None)),
            (4, 0x7fff_ffff, Ok(Some(0x7fff_ffff))),
            (4, 0x8000_0000, Err(ErrorCode::FLOW_CONTROL_ERROR)),
            (5, 16_383, Err(ErrorCode::PROTOCOL_ERROR)),
            (5, 16_384, Ok(None)),
            (5, 16_777_215, Ok(None)),
            (5, 16_777_216, Err(ErrorCode::PROTOCOL_ERROR)),
            (8, 2, Err(ErrorCode::PROTOCOL_ERROR)),
            (9, 2, Err(ErrorCode::PROTOCOL_ERROR)),
            (0xff, 7, Ok(None)),
        ] {
            assert_eq!(
                read(&one(id, value)).map(|theirs| theirs.window).map_err(|e| e.code),
                expected,
                "{id} = {value}"
            );
        }
        assert_eq!(read(&[0; 5]).unwrap_err().code, ErrorCode::FRAME_SIZE_ERROR);
        let several = read(&[one(4, 1), one(1, 9), one(4, 2), one(1, 7), one(1, 8)].concat()).unwrap();
        assert_eq!(several, Theirs { window: Some(2), table_bytes: Some(7) });
        assert_eq!(read(&[]).unwrap(), Theirs::default());
    }
}
