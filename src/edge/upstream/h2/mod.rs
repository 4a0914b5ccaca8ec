//! HTTP/2 towards endpoints (RFC 9113): connections that many exchanges share.
//!
//! Frames, header compression and flow control are the crate `h2`'s, over a [`pipe`] to our own reads and writes of owned
//! buffers. What is ours: which connection an exchange goes on ([`Shared`]), its deadlines and its way there and back
//! ([`Place`]). Nothing is buffered without bound: a peer may send ahead what the windows below allow, and no more is
//! taken from a client than the peer has granted.

mod connection;
mod head;
mod pipe;
mod place;
mod pulse;
mod queue;
mod receiving;
mod sending;
mod shared;

pub use connection::first;
pub use head::{Unsendable, request};
pub use place::{Answering, Lost, Place};
pub use receiving::Receiving;
pub use sending::{Log, Sending};
pub use shared::{Shared, open};

/// Most exchanges on one connection, however many its endpoint would take.
const PLACES_MAX: usize = 100;
/// Most connections of one worker to one endpoint.
const CONNECTIONS_MAX: usize = 64;
/// Most exchanges that wait for a place at one endpoint: so many of each [`Share`](super::Share).
const WAITING_MAX: usize = 4096;
/// Body bytes of one exchange that an endpoint may send ahead. They are held for as long as the client does not read.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Body bytes of all exchanges on a connection that its endpoint may send ahead: as many as they may one by one, so that
/// clients who do not read stop nobody but themselves.
const CONNECTION_WINDOW_BYTES: u32 = PLACES_MAX as u32 * STREAM_WINDOW_BYTES;
/// Body bytes of one exchange that may wait to be written to the connection.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
