//! TCP streams over owned buffers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRent, OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::TcpStream;

/// A connected stream, before it is split.
pub struct Stream(TcpStream);

/// The half that reads. One read at a time.
pub struct ReadHalf(OwnedReadHalf<TcpStream>);

/// The half that writes. One write at a time. Dropping it ends the sending direction.
pub struct WriteHalf(OwnedWriteHalf<TcpStream>);

/// A handle that can end a stream from elsewhere on the same worker.
#[derive(Clone)]
pub struct Control {
    fd: RawFd,
    /// Keeps the descriptor open for as long as a control exists.
    _stream: Rc<std::cell::UnsafeCell<TcpStream>>,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    There,
    /// It sends no more: it closed, or it only said that it has nothing more to say. The two look alike.
    Ended,
    /// The connection is broken.
    Gone,
}

impl Stream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Stream(stream)
    }

    /// Connects. May be dropped before it is done: the half-made socket is closed.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Stream(TcpStream::connect_addr(address).await?))
    }

    /// Sends small writes at once.
    pub fn set_nodelay(&self) -> io::Result<()> {
        self.0.set_nodelay(true)
    }

    /// The number of its descriptor: the lowest that was free when it was made.
    pub fn descriptor(&self) -> i32 {
        self.0.as_raw_fd()
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub fn split(self) -> (ReadHalf, WriteHalf, Control) {
        let fd = self.0.as_raw_fd();
        let (read, write) = self.0.into_split();
        let control = Control { fd, _stream: read.0.clone() };
        (ReadHalf(read), WriteHalf(write), control)
    }
}

impl ReadHalf {
    /// Reads once, appending at most `room` bytes (at least 1) to `buffer`; 0 is the end of the stream. The buffer
    /// grows when it has less room.
    pub async fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let mut owned = std::mem::take(buffer);
        let filled = owned.len();
        owned.reserve(room.max(1));
        let (result, slice) = self.0.read(owned.slice_mut(filled..filled + room.max(1))).await;
        *buffer = slice.into_inner();
        result
    }
}

impl WriteHalf {
    /// Writes the first `total` of `bytes`; the buffer comes back for reuse.
    pub async fn write_all(&mut self, bytes: Vec<u8>, total: usize) -> (io::Result<()>, Vec<u8>) {
        use monoio::buf::IoBuf;
        let total = total.min(bytes.len());
        let mut sent = 0;
        let mut bytes = bytes;
        while sent < total {
            let (result, slice) = self.0.write(bytes.slice(sent..total)).await;
            bytes = slice.into_inner();
            match result {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), bytes),
                Ok(count) => sent += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (Err(e), bytes),
            }
        }
        (Ok(()), bytes)
    }
}

impl Control {
    /// Ends both directions: a waiting read returns 0 or an error, a waiting write an error.
    pub fn shutdown(&self) {
        let _ = rustix::net::shutdown(self.borrow(), rustix::net::Shutdown::Both);
    }

    /// Ends the receiving direction alone: a waiting read returns 0, and what is written still arrives.
    pub fn shutdown_read(&self) {
        let _ = rustix::net::shutdown(self.borrow(), rustix::net::Shutdown::Read);
    }

    /// What became of the peer, without reading from it.
    pub fn presence(&self) -> Presence {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::from_borrowed_fd(self.borrow(), PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, Some(&now)) {
            Ok(1..) if fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => Presence::Gone,
            Ok(1..) => Presence::Ended,
            _ => Presence::There,
        }
    }

    /// Ends the sending direction: the peer reads to its end.
    pub fn shutdown_write(&self) {
        let _ = rustix::net::shutdown(self.borrow(), rustix::net::Shutdown::Write);
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: `_stream` keeps the descriptor open as long as `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}
