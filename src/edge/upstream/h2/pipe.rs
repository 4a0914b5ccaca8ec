//! Between `h2`, which polls a stream of bytes, and our reads and writes, which own their buffers: two byte buffers, each
//! filled by one side and emptied by the other. Reads and writes are never dropped half-way on a connection that lives.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::race::first;
use crate::edge::wire::{READ_BYTES, Reader, Writer};

/// Most bytes that wait to be written.
const OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// Length, type, flags and stream of a frame (RFC 9113 section 4.1).
const FRAME_HEAD_BYTES: usize = 9;

/// What both sides of the pipe see. Everything runs in one task, so one waker is enough for each direction.
#[derive(Default)]
pub struct Pipe {
    inbox: RefCell<Inbox>,
    outbox: RefCell<Vec<u8>>,
    /// Nothing more will be read.
    ended: Cell<bool>,
    /// Nothing more can be written.
    broken: Cell<bool>,
    /// What is in the outbox, or on its way from there, is the last.
    closing: Cell<bool>,
    /// Something taken from the outbox is not written yet.
    writing: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

/// The peer's first frame, its SETTINGS (RFC 9113 section 3.4), as far as it has come.
#[derive(Default)]
struct Opening {
    length: [u8; 3],
    seen: usize,
}

impl Opening {
    fn note(&mut self, bytes: &[u8]) {
        self.length.iter_mut().skip(self.seen).zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.seen = self.seen.saturating_add(bytes.len());
    }

    fn is_whole(&self) -> bool {
        let [high, middle, low] = self.length;
        self.seen >= FRAME_HEAD_BYTES + u32::from_be_bytes([0, high, middle, low]) as usize
    }
}

fn wait(place: &RefCell<Option<Waker>>, cx: &Context<'_>) {
    *place.borrow_mut() = Some(cx.waker().clone());
}

fn wake(place: &RefCell<Option<Waker>>) {
    if let Some(waker) = place.borrow_mut().take() {
        waker.wake();
    }
}

impl Pipe {
    /// A pipe in which `early` was read already.
    pub fn new(early: Vec<u8>) -> Rc<Self> {
        let inbox = RefCell::new(Inbox { bytes: early, taken: 0 });
        Rc::new(Pipe { inbox, ..Pipe::default() })
    }

    /// Reads into the pipe and writes out of it; never ends by itself. `heard` is called each time that all of what was
    /// read has been taken, with whether the peer's SETTINGS were in that; `deadlines` around each write.
    pub async fn pump(&self, reader: &mut Reader, writer: &mut Writer, heard: impl Fn(bool), deadlines: impl Fn(bool)) {
        let reading = pin!(self.read(reader, heard));
        let writing = pin!(self.write(writer, deadlines));
        first(reading, writing).await;
    }

    async fn read(&self, reader: &mut Reader, heard: impl Fn(bool)) {
        let mut bytes = Vec::new();
        let mut opening = Opening::default();
        opening.note(&self.inbox.borrow().bytes);
        loop {
            poll_fn(|cx| {
                wait(&self.reader, cx);
                if self.inbox.borrow().bytes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            heard(opening.is_whole());
            match reader.read(&mut bytes, READ_BYTES).await {
                Ok(1..) => {
                    opening.note(&bytes);
                    std::mem::swap(&mut self.inbox.borrow_mut().bytes, &mut bytes);
                }
                _ => {
                    self.ended.set(true);
                    wake(&self.reader);
                    return pending().await;
                }
            }
            wake(&self.reader);
        }
    }

    async fn write(&self, writer: &mut Writer, deadlines: impl Fn(bool)) {
        let mut bytes = Vec::new();
        loop {
            poll_fn(|cx| {
                wait(&self.writer, cx);
                if self.outbox.borrow().is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            std::mem::swap(&mut *self.outbox.borrow_mut(), &mut bytes);
            self.writing.set(true);
            deadlines(true);
            let result = writer.write_all(&mut bytes).await;
            deadlines(false);
            self.writing.set(false);
            if result.is_err() {
                self.broken.set(true);
                wake(&self.writer);
                return pending().await;
            }
            wake(&self.writer);
        }
    }

    fn poll_written(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.outbox.borrow().is_empty() && !self.writing.get() {
            return Poll::Ready(Ok(()));
        }
        wait(&self.writer, cx);
        Poll::Pending
    }
}

/// The side that `h2` holds.
pub struct End(pub Rc<Pipe>);

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pipe = &self.0;
        let mut inbox = pipe.inbox.borrow_mut();
        let Inbox { bytes, taken } = &mut *inbox;
        let rest = &bytes[*taken..];
        if rest.is_empty() {
            if pipe.ended.get() {
                return Poll::Ready(Ok(()));
            }
            wait(&pipe.reader, cx);
            return Poll::Pending;
        }
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        *taken += count;
        if *taken == bytes.len() {
            bytes.clear();
            *taken = 0;
            drop(inbox);
            wake(&pipe.reader);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let pipe = &self.0;
        if pipe.broken.get() || pipe.closing.get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut outbox = pipe.outbox.borrow_mut();
        let count = bytes.len().min(OUTBOX_BYTES_MAX.saturating_sub(outbox.len()));
        if count == 0 && !bytes.is_empty() {
            wait(&pipe.writer, cx);
            return Poll::Pending;
        }
        outbox.extend_from_slice(&bytes[..count]);
        drop(outbox);
        wake(&pipe.writer);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_written(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.closing.set(true);
        self.0.poll_written(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll<T>(with: impl FnOnce(Pin<&mut End>, &mut Context<'_>) -> Poll<T>, end: &mut End) -> Poll<T> {
        with(Pin::new(end), &mut Context::from_waker(Waker::noop()))
    }

    fn read(end: &mut End, room: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; room];
        let mut buffer = ReadBuf::new(&mut bytes);
        match poll(|end, cx| end.poll_read(cx, &mut buffer), end) {
            Poll::Ready(result) => result.map(|()| buffer.filled().to_vec()).ok(),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_was_read_is_given_in_pieces_and_then_its_end() {
        let pipe = Pipe::new(b"early".to_vec());
        let mut end = End(pipe.clone());
        assert_eq!(read(&mut end, 3), Some(b"ear".to_vec()));
        assert_eq!(read(&mut end, 3), Some(b"ly".to_vec()));
        assert_eq!(read(&mut end, 3), None);
        assert!(pipe.inbox.borrow().bytes.is_empty());
        pipe.ended.set(true);
        assert_eq!(read(&mut end, 3), Some(Vec::new()));
    }

    #[test]
    fn settings_are_whole_with_their_last_byte() {
        let frame = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1];
        for cut in 0..frame.len() {
            let mut opening = Opening::default();
            let (first, rest) = frame.split_at(cut);
            first.iter().for_each(|byte| opening.note(&[*byte]));
            assert!(!opening.is_whole(), "{cut}");
            opening.note(rest);
            assert!(opening.is_whole(), "{cut}");
        }
    }

    #[test]
    fn writes_are_bounded_and_break() {
        let pipe = Pipe::new(Vec::new());
        let mut end = End(pipe.clone());
        let many = vec![0; OUTBOX_BYTES_MAX + 1];
        let written = poll(|end, cx| end.poll_write(cx, &many), &mut end).map(Result::unwrap);
        assert_eq!(written, Poll::Ready(OUTBOX_BYTES_MAX));
        assert!(poll(|end, cx| end.poll_write(cx, b"x"), &mut end).is_pending());
        assert!(poll(End::poll_flush, &mut end).is_pending());
        pipe.outbox.borrow_mut().clear();
        assert!(matches!(poll(End::poll_flush, &mut end), Poll::Ready(Ok(()))));
        pipe.broken.set(true);
        assert!(matches!(poll(|end, cx| end.poll_write(cx, b"x"), &mut end), Poll::Ready(Err(_))));
        assert!(matches!(poll(End::poll_shutdown, &mut end), Poll::Ready(Err(_))));
    }
}
