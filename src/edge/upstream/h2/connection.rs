//! One connection of HTTP/2 to an endpoint, and the task that keeps it going.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ::h2::client::{Builder, SendRequest};
use ::h2::{Ping, PingPong};
use bytes::Bytes;

use super::pipe::{End, Pipe};
use super::place::{Lost, Place};
use super::pulse::{Pulse, Step};
use super::queue::Queue;
use super::{CONNECTION_WINDOW_BYTES, PLACES_MAX, SEND_BUFFER_BYTES, STREAM_WINDOW_BYTES};
use crate::edge::deadline::Deadline;
use crate::edge::race::first as either;
use crate::edge::upstream::connect::{Call, ConnectError};
use crate::edge::upstream::{Connection as Raw, pool};
use crate::edge::worker::Worker;
use crate::http::head::HEAD_BYTES_MAX;
use crate::net;

/// A connection as those see it who use it.
pub struct Connection {
    /// Taken away when the connection takes no more exchanges; it ends when those that it has are over.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    /// Exchanges on it now.
    places: Cell<usize>,
    /// How many exchanges it had in all.
    served: Cell<u64>,
    /// The endpoint's SETTINGS have come. Before that nobody knows how many exchanges it takes.
    is_settled: Cell<bool>,
    pulse: Pulse,
    pings: RefCell<Option<PingPong>>,
    /// It was given up because nothing was heard from its endpoint.
    is_dead: Cell<bool>,
    /// Since when it has had no exchange, as the table saw it; 0: it has one.
    pub idle_since_ms: Cell<u64>,
    waiting: Rc<Queue>,
    /// Exchanges on it that wait for the endpoint's SETTINGS.
    unsettled: RefCell<Vec<Waker>>,
    deadline: Rc<Deadline>,
}

impl Connection {
    /// How many more exchanges it takes now.
    pub fn room(&self) -> usize {
        let mut sender = self.sender.borrow_mut();
        let Some(open) = sender.as_mut() else { return 0 };
        // An error here is a GOAWAY, or the connection's end.
        if matches!(open.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_))) {
            *sender = None;
            return 0;
        }
        let most = if self.is_settled.get() { open.current_max_send_streams().min(PLACES_MAX) } else { 1 };
        most.saturating_sub(self.places.get())
    }

    /// Whether its endpoint takes extended CONNECTs, once it has said what it takes.
    pub async fn takes_connect(&self) -> Result<bool, Lost> {
        poll_fn(|cx| match self.sender.borrow().as_ref() {
            Some(open) if self.is_settled.get() => Poll::Ready(Ok(open.is_extended_connect_protocol_enabled())),
            Some(_) if self.wait_for_settings(cx) => Poll::Pending,
            _ => Poll::Ready(Err(Lost::Unprocessed)),
        })
        .await
    }

    /// Whether there was room for one more who waits.
    fn wait_for_settings(&self, cx: &Context<'_>) -> bool {
        let mut wakers = self.unsettled.borrow_mut();
        let has_room = wakers.len() < PLACES_MAX;
        if has_room {
            wakers.push(cx.waker().clone());
        }
        has_room
    }

    fn wake_unsettled(&self) {
        self.unsettled.take().into_iter().for_each(Waker::wake);
    }

    /// Whether it takes no more exchanges.
    pub fn is_retired(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Whether it is open, and its endpoint's SETTINGS have not come yet.
    pub fn is_fresh(&self) -> bool {
        !self.is_settled.get() && !self.is_retired()
    }

    pub fn places(&self) -> usize {
        self.places.get()
    }

    /// Takes no more exchanges; the connection ends with the last that it has.
    pub fn retire(&self) {
        self.sender.borrow_mut().take();
        self.wake_unsettled();
        self.waiting.call();
    }

    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether it was given up because nothing was heard from its endpoint.
    pub fn is_dead(&self) -> bool {
        self.is_dead.get()
    }

    /// Asks an endpoint that owes answers, and has been silent for `patience_ms`, for a sign of life. True when it has
    /// given none for as long again: the connection ends, and its exchanges with it.
    pub fn look_after(&self, now_ms: u64, patience_ms: u64) -> bool {
        if self.places.get() == 0 || self.is_dead.get() {
            return false;
        }
        match self.pulse.look(now_ms, patience_ms) {
            Step::Nothing => {}
            Step::Ping => self.ping(),
            Step::GiveUp => {
                self.is_dead.set(true);
                self.retire();
                self.deadline.fire();
            }
        }
        self.is_dead.get()
    }

    fn ping(&self) {
        let mut pings = self.pings.borrow_mut();
        let Some(pings) = pings.as_mut() else { return };
        // Only makes room for the next PING: that anything was read is sign enough.
        let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
        // It fails where one is on its way still, which will do, or where the connection has ended.
        let _ = pings.send_ping(Ping::opaque());
    }

    pub fn sender(&self) -> Option<SendRequest<Bytes>> {
        self.sender.borrow().clone()
    }

    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Takes a place; says whether others had one before.
    pub fn enter(&self) -> bool {
        self.places.set(self.places.get() + 1);
        self.idle_since_ms.set(0);
        self.served.replace(self.served.get() + 1) > 0
    }

    pub fn leave(&self) {
        self.places.set(self.places.get().saturating_sub(1));
        self.waiting.call();
    }

    /// All that was read was understood.
    fn note_heard(&self, is_settled: bool, now_ms: u64) {
        self.pulse.note_heard(now_ms);
        if self.is_settled.replace(is_settled) != is_settled {
            self.wake_unsettled();
            self.waiting.call();
        }
    }
}

/// Begins to speak HTTP/2 on a fresh connection, and takes the first place on it.
pub async fn first(call: &Call<'_>, raw: Raw) -> Result<Place, ConnectError> {
    let Raw { mut reader, mut writer, deadline, inbox, _open, _seat, .. } = raw;
    let worker = call.worker;
    let pipe = Pipe::new(inbox);
    let (sender, mut driver) = builder().handshake(End(pipe.clone())).await.map_err(io::Error::other)?;
    let connection = Rc::new(Connection {
        sender: RefCell::new(Some(sender)),
        places: Cell::new(0),
        served: Cell::new(0),
        is_settled: Cell::new(false),
        pulse: Pulse::default(),
        pings: RefCell::new(driver.ping_pong()),
        is_dead: Cell::new(false),
        idle_since_ms: Cell::new(0),
        waiting: worker.shared.waiting(call.key),
        unsettled: RefCell::default(),
        deadline: deadline.clone(),
    });
    connection.pulse.note_heard(worker.clock.now_ms());
    worker.shared.add(call.key, connection.clone());
    let place = Place::take(worker, connection.clone(), call.endpoint.clone());
    let write_ms = call.timeouts.write.as_millis() as u64;
    let task = {
        let (worker, connection, key) = (worker.clone(), connection.clone(), call.key);
        async move {
            let heard = |is_settled| connection.note_heard(is_settled, worker.clock.now_ms());
            let limit = |begins| match begins {
                true => deadline.set_write(worker.clock.now_ms() + write_ms),
                false => deadline.clear_write(),
            };
            {
                let pumping = pin!(pipe.pump(&mut reader, &mut writer, heard, limit));
                either(pin!(driver), pumping).await;
            }
            deadline.control().shutdown();
            end(&worker, key, &connection);
            drop((_open, _seat));
        }
    };
    let on_panic = {
        let (worker, key) = (worker.clone(), call.key);
        move || {
            worker.cells.panic();
            end(&worker, key, &connection);
        }
    };
    net::spawn_guarded(task, on_panic);
    Ok(place)
}

fn end(worker: &Worker, key: pool::Key, connection: &Rc<Connection>) {
    connection.retire();
    worker.shared.remove(key, connection);
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .initial_max_send_streams(PLACES_MAX);
    builder
}
