//! HTTP/2 towards clients (RFC 9113, RFC 7541, RFC 8441): a codec without I/O.
//!
//! Bytes go into [`Connection::receive`], events come out of [`Connection::poll_event`], and what must be sent gathers in
//! [`Connection::output`]. A request leaves here as the same [`RequestHead`](crate::http::head::RequestHead) that HTTP/1
//! makes, and as strictly checked, so that nothing behind the codec differs. Every buffer is bounded by flow control or a
//! constant in [`limits`]; what a client may do too often is metered there.
//!
//! The way of a frame: `connection::receive` → `headers`, `data` or `control`; the way of a response: `send`.

mod connection;
mod error;
mod flow;
mod frame;
mod head;
mod hpack;
pub mod limits;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use crate::http::framing::BodyLength;
use crate::http::head::{HeadError, RequestHead};

pub use connection::{Connection, Lines, PREFACE_HEAD};
pub use error::{ConnectionError, ErrorCode, StreamGone};
pub use head::Protocol;
pub use limits::Limits;

/// A stream of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// What the owner of a connection must know or do.
#[derive(Debug)]
pub enum Event {
    /// A request. Its stream belongs to the owner until [`Connection::release`].
    Request {
        stream: StreamId,
        head: RequestHead,
        /// `None` when no body follows, `Chunked` when one does whose length was not told.
        body: BodyLength,
        /// What an extended CONNECT asks for. One for a WebSocket is handed on as the `GET` that it would be in HTTP/1.1.
        protocol: Option<Protocol>,
    },
    /// A request that is too large to be read. The stream waits for an answer (431) and for its release like any other.
    Refused { stream: StreamId, error: HeadError },
    /// A malformed request, for the log: its stream was reset and needs no release.
    Malformed { stream: StreamId, cause: &'static str },
    /// Body bytes came after all earlier ones were announced.
    Data { stream: StreamId },
    /// The body is complete once what is left of it is taken.
    End { stream: StreamId },
    /// The stream is over, and what was not taken of its body is gone. `cause` is `client` when the client took its
    /// request back, or names the rule that it broke. The stream still needs its release.
    Reset { stream: StreamId, code: ErrorCode, cause: &'static str },
    /// More can be sent on a stream for which [`Connection::send_data`] or [`Connection::send_capacity`] found no room.
    Writable { stream: StreamId },
    /// The client opens no more streams.
    GoAway { code: ErrorCode },
}
