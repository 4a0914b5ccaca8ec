//! What is known of one socket, and what is done with it.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::task::Waker;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// One socket.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) fd: RawFd,
    pub(super) generation: u32,
    /// There may be something to read: it was heard, and nothing was read since, or not all.
    pub(super) is_readable: bool,
    /// The peer sends no more, which is heard only once.
    pub(super) is_ended: bool,
    /// The system took only a part of `outgoing`, and will be heard when it takes more.
    pub(super) is_stuck: bool,
    /// Bytes that shall be read as soon as they are there; 0: none.
    pub(super) wanted: usize,
    /// How the read that was wanted ended; what it brought is in `incoming`.
    pub(super) outcome: Option<io::Result<usize>>,
    pub(super) incoming: Vec<u8>,
    /// What is to be sent; of that so much is sent.
    pub(super) outgoing: Vec<u8>,
    pub(super) sent: usize,
    /// Waits for what arrives, or for `is_stuck` to change.
    pub(super) waker: Option<Waker>,
}

impl Slot {
    fn fd(&self) -> BorrowedFd<'static> {
        // SAFETY: who joined keeps the descriptor open for as long as it is a member.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Does the read that is wanted, if there may be something.
    pub(super) fn take_up(&mut self, lend: impl FnOnce() -> Vec<u8>) {
        if self.wanted == 0 || !self.is_readable {
            return;
        }
        let mut bytes = std::mem::take(&mut self.incoming);
        if bytes.capacity() == 0 {
            bytes = lend();
            bytes.clear();
        }
        if bytes.capacity() < self.wanted {
            // Nothing is in it that would have to move.
            bytes = Vec::with_capacity(self.wanted);
        }
        self.outcome = self.receive(&mut bytes, self.wanted);
        self.incoming = bytes;
        if self.outcome.is_some() {
            self.wanted = 0;
            self.wake();
        }
    }

    /// Reads once, appending at most `room` bytes to `buffer`; `None`: there is nothing.
    fn receive(&mut self, buffer: &mut Vec<u8>, room: usize) -> Option<io::Result<usize>> {
        buffer.reserve(room);
        let filled = buffer.len();
        loop {
            let spare = &mut buffer.spare_capacity_mut()[..room];
            match rustix::net::recv(self.fd(), spare, RecvFlags::DONTWAIT) {
                Ok(((read, _), _)) => {
                    let count = read.len();
                    // SAFETY: so many bytes behind `filled` were written by the kernel just now.
                    unsafe { buffer.set_len(filled + count) };
                    // A read that does not fill its room has taken all; the end is behind it for ever.
                    self.is_ended |= count == 0;
                    self.is_readable = count == room || self.is_ended;
                    return Some(Ok(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_readable = false;
                    return None;
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// Sends what is to be sent, as far as the system takes it.
    pub(super) fn send(&mut self, give: &mut impl FnMut(Vec<u8>)) {
        while self.sent < self.outgoing.len() {
            match rustix::net::send(self.fd(), &self.outgoing[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_stuck = true;
                    self.wake();
                    return;
                }
                // The connection is broken: whoever reads from it learns how.
                Err(_) => break,
            }
        }
        give(std::mem::take(&mut self.outgoing));
        self.sent = 0;
        if std::mem::take(&mut self.is_stuck) {
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Reads once, or takes the outcome of a read that was begun before; `None`: it is wanted now.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, room: usize) -> Option<io::Result<usize>> {
        if self.outcome.is_none() && self.is_readable {
            self.wanted = 0;
            if let Some(result) = self.receive(buffer, room) {
                return Some(result);
            }
        }
        let Some(outcome) = self.outcome.take() else {
            if self.wanted == 0 {
                self.wanted = room;
            }
            if buffer.is_empty() && self.incoming.capacity() == 0 {
                // Its room is lent until something is there.
                std::mem::swap(buffer, &mut self.incoming);
            }
            return None;
        };
        match buffer.is_empty() {
            true => *buffer = std::mem::take(&mut self.incoming),
            false => buffer.append(&mut std::mem::take(&mut self.incoming)),
        }
        Some(outcome)
    }
}
