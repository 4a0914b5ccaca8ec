//! Bytes of a connection, clear or over TLS, read and written through owned buffers.

mod tls;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::buffers::FRESH_BYTES;
use crate::net::bulk::Bulk;
use crate::net::tcp::{Control, ReadHalf, Stream, WriteHalf};
pub use tls::{Handshake, Session, TlsError, note_server_name};

/// Most bytes taken from the socket at once while a message flows.
pub const READ_BYTES: usize = 16 * 1024;

/// Bytes offered to a read that is begun ahead: at first, and at least. While many are in use it counts what of their
/// rooms fits into the processor's caches.
pub const AHEAD_BYTES_FIRST: u32 = 4 * 1024;
const AHEAD_BYTES_MIN: u32 = FRESH_BYTES as u32;

/// Most rooms for ciphertext that a worker keeps while no connection uses them.
const ROOMS_KEPT_MAX: usize = 32;
/// Larger rooms are given back to the allocator instead of kept.
const ROOM_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Rooms for ciphertext that no connection of this worker uses now. A connection has none while it is idle, and one
    /// that was used before need not be zeroed again.
    static ROOMS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A room for ciphertext, empty or with what was in it before.
fn lend_room() -> Vec<u8> {
    ROOMS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

fn take_room_back(room: Vec<u8>) {
    if !(1..=ROOM_BYTES_MAX).contains(&room.capacity()) {
        return;
    }
    ROOMS.with_borrow_mut(|rooms| {
        if rooms.len() < ROOMS_KEPT_MAX {
            rooms.push(room);
        }
    });
}

/// The half that reads.
pub struct Reader {
    socket: ReadHalf,
    tls: Option<Rc<RefCell<Session>>>,
    /// Bytes that the next read begun ahead offers.
    ahead: u32,
}

/// What the next read shall offer, after one that offered `room` got `count` bytes: more when that filled it, less
/// when much was left over.
fn fitting(room: u32, count: usize) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let wanted = match count >= room {
        true => room * 2,
        false => (count + count / 4).max(room / 2),
    };
    wanted.clamp(AHEAD_BYTES_MIN, READ_BYTES as u32)
}

/// Reads once from `socket`, appending to `buffer`.
async fn fetch(socket: &mut ReadHalf, ahead: &mut u32, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
    let result = socket.read(buffer, room).await;
    if socket.is_member()
        && let Ok(count) = result
    {
        *ahead = fitting(*ahead, count);
    }
    result
}

/// The half that writes.
pub struct Writer {
    socket: WriteHalf,
    tls: Option<Rc<RefCell<Session>>>,
    /// Where ciphertext is made; kept between writes of one exchange, with what was written before still in it.
    sealed: Vec<u8>,
}

/// Splits a stream of clear bytes.
pub fn clear(stream: Stream) -> (Reader, Writer, Control) {
    let (read, write, control) = stream.split();
    (
        Reader { socket: read, tls: None, ahead: AHEAD_BYTES_FIRST },
        Writer { socket: write, tls: None, sealed: Vec::new() },
        control,
    )
}

impl Reader {
    /// Reads once, appending plaintext to `buffer`; 0 is the end of the stream (for TLS: a close_notify; a bare end of
    /// TCP is an error, so that a cut message is not taken for a whole one).
    pub async fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return fetch(&mut self.socket, &mut self.ahead, buffer, room).await };
        loop {
            if tls.borrow().peer_closed() {
                return Ok(0);
            }
            let mut sealed = Vec::new();
            let count = fetch(&mut self.socket, &mut self.ahead, &mut sealed, room).await?;
            let mut session = tls.borrow_mut();
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let opened = session.open(sealed, buffer).map_err(io::Error::other)?;
            if opened > 0 {
                return Ok(opened);
            }
        }
    }

    /// From now on the connection, of which `other` is the other half, is served by `bulk`.
    pub fn join(&mut self, bulk: &Rc<Bulk>, other: &mut Writer) -> io::Result<()> {
        self.socket.join(bulk, &mut other.socket)
    }

    /// Begins the next read now, so that a connection at rest is watched without asking the system again: when anything
    /// arrives, or the peer closes, [`Reader::is_quiet`] turns false. The next [`Reader::read`] takes the result.
    pub fn begin(&mut self) {
        self.socket.begin(self.ahead as usize);
    }

    /// Whether nothing has arrived since [`Reader::begin`].
    pub fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
    }

    /// Whether what is read comes as the peer sent it, not over TLS.
    pub fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    /// Turns this reader into one of TLS plaintext.
    fn attach(&mut self, session: Rc<RefCell<Session>>) {
        self.tls = Some(session);
    }
}

impl Writer {
    /// Writes all of `bytes` and leaves it empty, its room kept for reuse.
    pub async fn write_all(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            let total = bytes.len();
            let (result, returned) = self.socket.write_all(std::mem::take(bytes), total).await;
            *bytes = returned;
            bytes.clear();
            return result;
        };
        if self.sealed.capacity() == 0 {
            self.sealed = lend_room();
        }
        let total = tls.borrow_mut().seal(bytes, &mut self.sealed).map_err(io::Error::other)?;
        bytes.clear();
        self.flush(total).await
    }

    /// Has `bytes` sent soon, together with what others send, and waits for nothing; `false`: that cannot be done here, and
    /// they stay.
    pub fn post(&self, bytes: &mut Vec<u8>) -> bool {
        self.tls.is_none() && self.socket.post(bytes)
    }

    /// Whether something that was posted cannot be sent now: the peer does not take it.
    pub fn is_stuck(&self) -> bool {
        self.socket.is_stuck()
    }

    /// Says goodbye: close_notify for TLS, then the end of the sending direction.
    pub async fn finish(&mut self, control: &Control) {
        if let Some(tls) = &self.tls {
            self.sealed.clear();
            tls.borrow_mut().close(&mut self.sealed);
            let _ = self.flush(self.sealed.len()).await;
        }
        control.shutdown_write();
    }

    /// Gives up the room kept for ciphertext; called when the connection falls idle.
    pub fn rest(&mut self) {
        take_room_back(std::mem::take(&mut self.sealed));
    }

    /// Sends the first `total` bytes of the ciphertext.
    async fn flush(&mut self, total: usize) -> io::Result<()> {
        let (result, returned) = self.socket.write_all(std::mem::take(&mut self.sealed), total).await;
        self.sealed = returned;
        result
    }
}

/// Runs a handshake over freshly split halves; `early` holds bytes that were already read from the socket.
pub async fn handshake(
    reader: &mut Reader,
    writer: &mut Writer,
    session: Session,
    early: Vec<u8>,
) -> Result<Handshake, TlsError> {
    let mut session = session;
    let mut incoming = early;
    loop {
        writer.sealed.clear();
        let done = session.advance(std::mem::take(&mut incoming), &mut writer.sealed);
        // Also on failure: what is sealed then is the alert that tells the peer why.
        if !writer.sealed.is_empty() {
            writer.flush(writer.sealed.len()).await?;
        }
        if done? {
            break;
        }
        if fetch(&mut reader.socket, &mut reader.ahead, &mut incoming, READ_BYTES).await? == 0 {
            return Err(TlsError::Closed);
        }
    }
    let summary = session.summary();
    writer.sealed = Vec::new();
    let session = Rc::new(RefCell::new(session));
    reader.attach(session.clone());
    writer.tls = Some(session);
    Ok(summary)
}

/// Plaintext that arrived together with the end of the handshake.
pub fn take_early(reader: &Reader, buffer: &mut Vec<u8>) {
    if let Some(tls) = &reader.tls {
        tls.borrow_mut().take_early(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_read_offers_what_the_last_ones_needed() {
        for (room, count, next) in [
            (4096, 1200, 2048),
            (2048, 1200, 2048),
            (2048, 2047, 2558),
            (2048, 2048, 4096),
            (8192, 8192, 16_384),
            (16_384, 16_384, 16_384),
            (16_384, 100, 8192),
            (2048, 0, 2048),
            (4096, usize::MAX, 8192),
        ] {
            assert_eq!(fitting(room, count), next, "{count} of {room}");
        }
    }
}
