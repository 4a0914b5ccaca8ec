//! TCP streams over owned buffers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRent, OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::TcpStream;

use super::bulk::{Bulk, Member};

/// A connected stream, before it is split.
pub struct Stream(TcpStream);

/// The half that reads. One read at a time.
pub struct ReadHalf {
    member: Option<Rc<Member>>,
    fd: RawFd,
    socket: OwnedReadHalf<TcpStream>,
}

/// The half that writes. One write at a time. Dropping it ends the sending direction.
pub struct WriteHalf {
    member: Option<Rc<Member>>,
    socket: OwnedWriteHalf<TcpStream>,
}

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
        (ReadHalf { member: None, fd, socket: read }, WriteHalf { member: None, socket: write }, control)
    }
}

impl ReadHalf {
    /// Reads once, appending at most `room` bytes (at least 1) to `buffer`; 0 is the end of the stream. The buffer
    /// grows when it has less room.
    pub async fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        if let Some(member) = &self.member {
            return member.read(buffer, room.max(1)).await;
        }
        let mut owned = std::mem::take(buffer);
        let filled = owned.len();
        owned.reserve(room.max(1));
        let (result, slice) = self.socket.read(owned.slice_mut(filled..filled + room.max(1))).await;
        *buffer = slice.into_inner();
        result
    }

    /// From now on the socket, of which `other` is the other half, is served by `bulk`.
    pub fn join(&mut self, bulk: &Rc<Bulk>, other: &mut WriteHalf) -> io::Result<()> {
        if self.member.is_none() {
            // SAFETY: `socket` keeps the descriptor open.
            let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
            let member = Rc::new(bulk.join(fd)?);
            other.member = Some(member.clone());
            self.member = Some(member);
        }
        Ok(())
    }

    /// Begins the next read of at most `room` bytes (at least 1) now, if the socket is served in bulk: the next
    /// [`ReadHalf::read`] takes what it brings, and [`ReadHalf::is_quiet`] tells whether it brought anything.
    pub fn begin(&mut self, room: usize) {
        if let Some(member) = &self.member {
            member.want(room.max(1));
        }
    }

    /// Whether it is served in bulk.
    pub fn is_member(&self) -> bool {
        self.member.is_some()
    }

    /// Whether nothing has arrived since [`ReadHalf::begin`], and nothing is left to be sent.
    pub fn is_quiet(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.is_quiet())
    }
}

impl WriteHalf {
    /// Has `bytes` sent at the end of the lap, if the socket is served in bulk; else they stay.
    pub fn post(&self, bytes: &mut Vec<u8>) -> bool {
        match &self.member {
            Some(member) if !member.is_sending() => {
                member.post(std::mem::take(bytes));
                true
            }
            _ => false,
        }
    }

    /// Whether something that was posted cannot be sent now.
    pub fn is_stuck(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.is_stuck())
    }

    /// Writes the first `total` of `bytes`; the buffer comes back for reuse.
    pub async fn write_all(&mut self, bytes: Vec<u8>, total: usize) -> (io::Result<()>, Vec<u8>) {
        if let Some(member) = &self.member
            && member.is_sending()
        {
            // What was posted goes first.
            let posted = member.take_back();
            let count = posted.len();
            if let (Err(error), _) = self.write(posted, count).await {
                return (Err(error), bytes);
            }
        }
        self.write(bytes, total).await
    }

    async fn write(&mut self, bytes: Vec<u8>, total: usize) -> (io::Result<()>, Vec<u8>) {
        use monoio::buf::IoBuf;
        let total = total.min(bytes.len());
        let mut sent = 0;
        let mut bytes = bytes;
        while sent < total {
            let (result, slice) = self.socket.write(bytes.slice(sent..total)).await;
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
