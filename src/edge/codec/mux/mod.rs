//! The I/O of an HTTP/2 connection: one task reads and writes the socket, one task per stream serves its request. They
//! share the codec, which knows frames; nothing here does.

mod leave;
mod starts;
mod stream;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::h1;
use super::h2::{self, Event, StreamId};
use crate::edge::buffers::IDLE_BYTES;
use crate::edge::deadline::Deadline;
use crate::edge::race::{First, first};
use crate::edge::wire::{READ_BYTES, Reader, Writer};
use crate::edge::worker::Worker;
use crate::http::framing::BodyLength;
use crate::http::head::{HeadError, RequestHead};
use crate::plan::timeouts::Timeouts;
pub use leave::Connections;
pub use starts::Starts;
pub use stream::{Broken, Stream};

/// What the tasks of one connection share.
struct Shared {
    worker: Rc<Worker>,
    timeouts: Timeouts,
    codec: RefCell<h2::Connection>,
    waiting: RefCell<HashMap<StreamId, Waiting, foldhash::fast::RandomState>>,
    /// The writing half, when it has nothing to write.
    writer: RefCell<Option<Waker>>,
    /// Nothing more will be read or written.
    closed: Cell<bool>,
    /// What is queued shall be written, then the connection ends.
    finishing: Cell<bool>,
    /// Something is being written.
    writing: Cell<bool>,
    /// When the client was told that the worker drains; 0: it was not.
    leaving_ms: Cell<u64>,
    deadline: Rc<Deadline>,
}

/// Who waits for something to happen to a stream.
#[derive(Default)]
struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The stream's task, to be woken for the worker's rounds.
    task: Option<Waker>,
    reset: bool,
    /// The endpoint that works on the answer, so that it need not go on for a client who is gone.
    endpoint: Option<Rc<Deadline>>,
}

impl Waiting {
    fn lose_client(&mut self) {
        self.reset = true;
        if let Some(endpoint) = self.endpoint.take() {
            endpoint.fire();
        }
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// A request that arrived on a stream, or one whose head is too large.
pub struct Arrived {
    pub stream: Stream,
    pub request: Result<Asked, HeadError>,
}

/// What a stream asks for.
pub struct Asked {
    pub head: RequestHead,
    pub body: BodyLength,
    /// What the stream shall become.
    pub protocol: Option<h2::Protocol>,
}

impl Shared {
    /// Lets the writing half look at the output.
    fn wake_writer(&self) {
        if let Some(waker) = self.writer.borrow_mut().take() {
            waker.wake();
        }
    }

    fn wait(&self, id: StreamId, register: impl FnOnce(&mut Waiting)) {
        if let Some(waiting) = self.waiting.borrow_mut().get_mut(&id) {
            register(waiting);
        }
    }

    fn wake_stream(&self, id: StreamId) {
        self.wait(id, Waiting::wake);
    }

    /// The connection is over, and with it every stream.
    fn end_all_streams(&self) {
        for waiting in self.waiting.borrow_mut().values_mut() {
            waiting.lose_client();
            waiting.wake();
        }
    }

    /// A stream's task is done with it.
    fn stream_ended(&self) {
        self.wake_writer();
        if self.waiting.borrow().is_empty() {
            self.fall_idle();
        }
    }

    /// Nothing is asked for: the connection may stay so for `timeout_idle`.
    fn fall_idle(&self) {
        self.deadline.set_read(self.worker.clock.now_ms() + self.timeouts.idle.as_millis() as u64);
        if !self.writing.get() && self.codec.borrow_mut().output().is_empty() {
            self.note_idle();
        }
    }

    /// All was answered and written. A connection of a draining worker is not cut for that: it ends by a goodbye.
    fn note_idle(&self) {
        if !self.worker.draining.get() {
            self.deadline.set_idle(self.worker.clock.now_ms());
        }
    }
}

/// Serves an HTTP/2 connection to its end; `arrived` is called for each request and must not block.
pub async fn serve(worker: &Rc<Worker>, connection: h1::Connection, mut arrived: impl FnMut(Arrived)) {
    let h1::Connection { mut reader, mut writer, deadline, inbox, who, .. } = connection;
    let shared = Rc::new(Shared {
        worker: worker.clone(),
        timeouts: worker.plan().timeouts.clone(),
        codec: RefCell::new(h2::Connection::server(h2::Limits::default())),
        waiting: RefCell::default(),
        writer: RefCell::default(),
        closed: Cell::new(false),
        finishing: Cell::new(false),
        writing: Cell::new(false),
        leaving_ms: Cell::new(0),
        deadline: deadline.clone(),
    });
    worker.muxes.enter(&shared);
    let was_read = {
        let mut reading = pin!(read(&shared, &mut reader, inbox, &mut arrived));
        let mut writing = pin!(write(&shared, &mut writer));
        let ended = first(reading.as_mut(), writing.as_mut()).await;
        match ended {
            First::Left(()) => {
                // What is queued (a GOAWAY, say) still goes out.
                shared.finishing.set(true);
                shared.wake_writer();
                writing.await;
            }
            // We have left: what the client still sends is read for a moment, so that it gets our last frames.
            First::Right(()) if shared.codec.borrow().is_finished() => reading.await,
            First::Right(()) => {}
        }
        matches!(ended, First::Left(()))
    };
    shared.closed.set(true);
    shared.end_all_streams();
    match was_read {
        // The client may still be sending, and shall get our last frames.
        true => {
            let rest = h1::Connection { reader, writer, deadline, inbox: Vec::new(), who, may_be_h2: false };
            rest.close(worker).await;
        }
        false => writer.finish(deadline.control()).await,
    }
}

/// Reads until the peer ends the connection, or breaks a rule of it.
async fn read(shared: &Rc<Shared>, reader: &mut Reader, mut inbox: Vec<u8>, arrived: &mut impl FnMut(Arrived)) {
    loop {
        let now_ms = shared.worker.clock.now_ms();
        let received = shared.codec.borrow_mut().receive(&inbox, now_ms);
        let mut batch = starts::Batch::default();
        let later = attend(shared, &mut batch, arrived);
        shared.wake_writer();
        if !later.is_empty() {
            Box::pin(begin(shared, batch, later, arrived)).await;
        }
        match received {
            Ok(consumed) if consumed == inbox.len() => inbox.clear(),
            Ok(consumed) => drop(inbox.drain(..consumed)),
            Err(error) => {
                shared.worker.cells.connection_rejected(error.cause);
                tracing::info!(cause = error.cause, error = %error, "HTTP/2 connection ended");
                return;
            }
        }
        let idle = shared.waiting.borrow().is_empty() && inbox.is_empty();
        if idle {
            inbox = Vec::new();
            shared.codec.borrow_mut().rest();
            shared.fall_idle();
        } else if inbox.is_empty() {
            shared.deadline.clear_read();
        } else {
            // Part of a frame: the rest must not be long in coming.
            shared.deadline.set_read(now_ms + shared.timeouts.head.as_millis() as u64);
        }
        let count = reader.read(&mut inbox, if idle { IDLE_BYTES } else { READ_BYTES }).await;
        shared.deadline.clear_idle();
        if !matches!(count, Ok(1..)) {
            return;
        }
    }
}

/// Passes on what the codec found; returns the requests that have to wait until they may begin.
fn attend(shared: &Rc<Shared>, batch: &mut starts::Batch, arrived: &mut impl FnMut(Arrived)) -> VecDeque<Arrived> {
    let mut later = VecDeque::new();
    loop {
        let event = shared.codec.borrow_mut().poll_event();
        let Some(event) = event else { return later };
        let (stream, request) = match event {
            Event::Request { stream, head, body, protocol } => (stream, Ok(Asked { head, body, protocol })),
            Event::Refused { stream, error } => (stream, Err(error)),
            event => {
                note(shared, event);
                continue;
            }
        };
        let request = Arrived { stream: Stream::open(shared.clone(), stream), request };
        match later.is_empty() && starts::admit(&shared.worker, batch) {
            true => arrived(request),
            false => later.push_back(request),
        }
    }
}

/// Begins requests that came together, each when it is its turn. Nothing more is read from their client before that.
async fn begin(
    shared: &Rc<Shared>,
    mut batch: starts::Batch,
    requests: VecDeque<Arrived>,
    arrived: &mut impl FnMut(Arrived),
) {
    for request in requests {
        starts::wait(&shared.worker, &mut batch).await;
        arrived(request);
    }
}

/// Passes on what concerns a stream that is served already.
fn note(shared: &Shared, event: Event) {
    match event {
        Event::Malformed { cause, .. } => tracing::info!(cause, "malformed HTTP/2 request"),
        Event::Reset { stream, .. } => {
            shared.wait(stream, Waiting::lose_client);
            shared.wake_stream(stream);
        }
        Event::Data { stream } | Event::End { stream } | Event::Writable { stream } => shared.wake_stream(stream),
        Event::Request { .. } | Event::Refused { .. } | Event::GoAway { .. } => {}
    }
}

/// Writes what the codec has queued, as it is queued; ends when asked to finish and nothing is left, or when the peer
/// takes no more.
async fn write(shared: &Rc<Shared>, writer: &mut Writer) {
    let mut out = Vec::new();
    loop {
        std::mem::swap(&mut out, shared.codec.borrow_mut().output());
        if out.is_empty() {
            if shared.finishing.get() {
                return;
            }
            if shared.codec.borrow().is_finished() {
                return shared.close_writer(writer).await;
            }
            if shared.waiting.borrow().is_empty() {
                writer.rest();
                out = Vec::new();
                shared.note_idle();
            }
            something_to_write(shared).await;
            continue;
        }
        shared.deadline.set_write(shared.worker.clock.now_ms() + shared.timeouts.write.as_millis() as u64);
        shared.writing.set(true);
        let result = writer.write_all(&mut out).await;
        shared.writing.set(false);
        shared.deadline.clear_write();
        if result.is_err() {
            return;
        }
        // The output has room again: whoever waits for it hears of it.
        wake_writable(shared);
    }
}

/// Requests do not arrive here: each read takes all of them.
fn wake_writable(shared: &Shared) {
    loop {
        let event = shared.codec.borrow_mut().poll_event();
        match event {
            Some(event) => note(shared, event),
            None => return,
        }
    }
}

async fn something_to_write(shared: &Shared) {
    poll_fn(|cx| {
        let mut codec = shared.codec.borrow_mut();
        if shared.finishing.get() || codec.is_finished() || !codec.output().is_empty() {
            return Poll::Ready(());
        }
        *shared.writer.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
