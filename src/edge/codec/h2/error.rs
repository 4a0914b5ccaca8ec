//! What ends a stream or a connection, and the word for it in logs and metrics.

use std::fmt;

/// An error code on the wire (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    pub const NO_ERROR: Self = ErrorCode(0x0);
    pub const PROTOCOL_ERROR: Self = ErrorCode(0x1);
    pub const INTERNAL_ERROR: Self = ErrorCode(0x2);
    pub const FLOW_CONTROL_ERROR: Self = ErrorCode(0x3);
    pub const SETTINGS_TIMEOUT: Self = ErrorCode(0x4);
    pub const STREAM_CLOSED: Self = ErrorCode(0x5);
    pub const FRAME_SIZE_ERROR: Self = ErrorCode(0x6);
    pub const REFUSED_STREAM: Self = ErrorCode(0x7);
    pub const CANCEL: Self = ErrorCode(0x8);
    pub const COMPRESSION_ERROR: Self = ErrorCode(0x9);
    pub const CONNECT_ERROR: Self = ErrorCode(0xa);
    pub const ENHANCE_YOUR_CALM: Self = ErrorCode(0xb);
    pub const INADEQUATE_SECURITY: Self = ErrorCode(0xc);
    pub const HTTP_1_1_REQUIRED: Self = ErrorCode(0xd);

    /// The code in words; codes that no RFC knows are `unknown`.
    pub fn slug(self) -> &'static str {
        const SLUGS: [&str; 14] = [
            "no_error",
            "protocol_error",
            "internal_error",
            "flow_control_error",
            "settings_timeout",
            "stream_closed",
            "frame_size_error",
            "refused_stream",
            "cancel",
            "compression_error",
            "connect_error",
            "enhance_your_calm",
            "inadequate_security",
            "http_1_1_required",
        ];
        SLUGS.get(self.0 as usize).copied().unwrap_or("unknown")
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.slug())
    }
}

/// Why the connection is over. The GOAWAY that says so is in the output already; nothing more is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {cause}")]
pub struct ConnectionError {
    pub code: ErrorCode,
    /// A slug: what was seen.
    pub cause: &'static str,
}

impl ConnectionError {
    pub(super) fn new(code: ErrorCode, cause: &'static str) -> Self {
        ConnectionError { code, cause }
    }

    pub(super) fn protocol(cause: &'static str) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, cause)
    }

    pub(super) fn frame_size(cause: &'static str) -> Self {
        Self::new(ErrorCode::FRAME_SIZE_ERROR, cause)
    }

    /// The client does too much of something that costs us more than it.
    pub(super) fn calm(cause: &'static str) -> Self {
        Self::new(ErrorCode::ENHANCE_YOUR_CALM, cause)
    }
}

/// The stream takes nothing more: it was reset by either side, its response is complete, or it never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is over")]
pub struct StreamGone;
