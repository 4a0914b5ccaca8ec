//! A worker's connections to endpoints that speak HTTP/2: who gets a place on which, and when another one is opened.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::CONNECTIONS_MAX;
use super::connection::{Connection, first};
use super::place::Place;
use super::queue::Queue;
use crate::edge::upstream::Opened;
use crate::edge::upstream::connect::{Call, ConnectError};
use crate::edge::upstream::pool::{IDLE_MS_MAX, Key};
use crate::net::timer;

/// The connections, by what makes them interchangeable.
#[derive(Default)]
pub struct Shared(RefCell<HashMap<Key, Origin, foldhash::fast::RandomState>>);

/// What is known of one endpoint.
#[derive(Default)]
struct Origin {
    /// It agreed on HTTP/1.1 the last time that it was asked.
    speaks_http1: bool,
    connections: Vec<Rc<Connection>>,
    /// Somebody opens a connection now: one at a time, so that a burst does not open one for each request.
    opening: bool,
    waiting: Rc<Queue>,
    used_ms: u64,
}

/// What one who needs a place is to do.
enum Turn<'s> {
    Enter(Rc<Connection>),
    Open(Opening<'s>),
    /// The endpoint turned out to speak HTTP/1.1.
    Http1,
}

/// The right to open a connection, until dropped.
struct Opening<'s> {
    shared: &'s Shared,
    key: Key,
    /// The endpoint took none. Whoever lets it be before that is known leaves it to the next.
    failed: bool,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut map = self.shared.0.borrow_mut();
        let Some(origin) = map.get_mut(&self.key) else { return };
        origin.opening = false;
        let waiting = origin.waiting.clone();
        drop(map);
        match self.failed {
            true => waiting.fail(),
            false => waiting.call(),
        }
    }
}

/// A place on a connection that is open, else on a new one; or a connection of HTTP/1.1, where the endpoint prefers that.
pub async fn open(call: &Call<'_>, may_reuse: bool) -> Result<Opened, ConnectError> {
    let shared = &call.worker.shared;
    if may_reuse && let Some(connection) = call.worker.pool.take(call.key) {
        // It agreed on HTTP/1.1, which was forgotten since.
        shared.note(call.key, true);
        return Ok(Opened::H1(connection));
    }
    let turn = timer::timeout(call.timeouts.connect, shared.turn(call, may_reuse));
    match turn.await.map_err(|_| ConnectError::Full)?? {
        Turn::Enter(connection) => {
            Ok(Opened::H2(Box::new(Place::take(call.worker, connection, call.endpoint.clone()))))
        }
        Turn::Http1 => open_new(call).await,
        Turn::Open(mut opening) => {
            let opened = open_new(call).await;
            opening.failed = opened.is_err();
            opened
        }
    }
}

/// A new connection of whatever the endpoint speaks.
async fn open_new(call: &Call<'_>) -> Result<Opened, ConnectError> {
    let dialed = call.dial().await?;
    call.worker.shared.note(call.key, !dialed.is_h2);
    match dialed.is_h2 {
        true => Ok(Opened::H2(Box::new(first(call, *dialed.connection).await?))),
        false => Ok(Opened::H1(dialed.connection)),
    }
}

impl Shared {
    /// Whether the endpoint agreed on HTTP/1.1 the last time.
    pub fn speaks_http1(&self, key: Key) -> bool {
        self.0.borrow().get(&key).is_some_and(|origin| origin.speaks_http1)
    }

    /// Notes what an endpoint agreed on.
    pub fn note(&self, key: Key, speaks_http1: bool) {
        self.0.borrow_mut().entry(key).or_default().speaks_http1 = speaks_http1;
    }

    /// Whom to call when a connection to this endpoint has room.
    pub fn waiting(&self, key: Key) -> Rc<Queue> {
        self.0.borrow_mut().entry(key).or_default().waiting.clone()
    }

    pub fn add(&self, key: Key, connection: Rc<Connection>) {
        self.0.borrow_mut().entry(key).or_default().connections.push(connection);
    }

    pub fn remove(&self, key: Key, connection: &Rc<Connection>) {
        if let Some(origin) = self.0.borrow_mut().get_mut(&key) {
            origin.connections.retain(|known| !Rc::ptr_eq(known, connection));
        }
    }

    /// Gives up connections whose endpoints are silent, retires those that have had no exchange for long, and forgets
    /// endpoints that nobody asks for. `patience_ms`: see [`Timeouts::ping`](crate::plan::timeouts::Timeouts::ping).
    /// Returns how many connections were given up.
    pub fn sweep(&self, now_ms: u64, patience_ms: u64) -> usize {
        let mut given_up = 0;
        self.0.borrow_mut().retain(|key, origin| {
            for connection in &origin.connections {
                if connection.look_after(now_ms, patience_ms) {
                    tracing::warn!(endpoint = %key.address, "an upstream connection was given up: no answer to a PING");
                    given_up += 1;
                }
            }
            for connection in origin.connections.iter().filter(|connection| connection.places() == 0) {
                match connection.idle_since_ms.get() {
                    0 => connection.idle_since_ms.set(now_ms.max(1)),
                    since if now_ms.saturating_sub(since) >= IDLE_MS_MAX => connection.retire(),
                    _ => {}
                }
            }
            let in_use = origin.opening || !origin.connections.is_empty();
            in_use || now_ms.saturating_sub(origin.used_ms) < IDLE_MS_MAX
        });
        given_up
    }

    /// Waits for the turn of one who needs a place.
    async fn turn(&self, call: &Call<'_>, may_reuse: bool) -> Result<Turn<'_>, ConnectError> {
        let waiting = self.waiting(call.key);
        let mut ticket = waiting.ticket(call.share);
        poll_fn(|cx| {
            if ticket.has_failed() {
                return Poll::Ready(Err(ConnectError::Alike));
            }
            if ticket.is_first()
                && let Some(turn) = self.now(call, may_reuse)
            {
                return Poll::Ready(Ok(turn));
            }
            match ticket.wait(cx) {
                Ok(()) => Poll::Pending,
                Err(_) => Poll::Ready(Err(ConnectError::Full)),
            }
        })
        .await
    }

    /// What to do now; `None`: wait. Who has half a share uses half of the connections.
    fn now(&self, call: &Call<'_>, may_reuse: bool) -> Option<Turn<'_>> {
        let Call { key, share, worker, .. } = *call;
        let mut map = self.0.borrow_mut();
        let origin = map.entry(key).or_default();
        origin.used_ms = worker.clock.now_ms();
        if origin.speaks_http1 {
            return Some(Turn::Http1);
        }
        let most = share.of(CONNECTIONS_MAX);
        let mut live = origin.connections.iter().filter(|connection| !connection.is_retired()).take(most);
        if may_reuse && let Some(connection) = live.clone().find(|connection| connection.room() > 0) {
            return Some(Turn::Enter(connection.clone()));
        }
        // One whose SETTINGS are not here yet may have room for more in a moment.
        let soon = may_reuse && live.clone().any(|connection| connection.is_fresh());
        if origin.opening || soon || live.nth(most - 1).is_some() {
            return None;
        }
        origin.opening = true;
        Some(Turn::Open(Opening { shared: self, key, failed: false }))
    }
}
