//! A connection that was upgraded: bytes flow both ways until both sides have ended. It is cut when its session ends, and
//! when neither side has said anything for the route's `idle_timeout`.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use super::codec::Client;
use super::codec::h1::After;
use super::exchange::Exchange;
use super::race::{First, first};
use super::session::{Known, still_good};
use super::upstream::Connection;
use super::wire::{READ_BYTES, Reader, Writer};
use super::worker::Worker;
use crate::net::tcp::Control;
use crate::net::timer;

/// How often a tunnel looks whether its session was revoked or has ended.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Upstream,
    SessionOver,
    Idle,
    Drain,
}

impl End {
    fn cause(self) -> &'static str {
        match self {
            End::Client => "client",
            End::Upstream => "upstream",
            End::SessionOver => "session_revoked",
            End::Idle => "idle",
            End::Drain => "drain",
        }
    }
}

/// When something was read last, on either side.
struct Activity<'w> {
    worker: &'w Worker,
    last_ms: Cell<u64>,
}

impl Activity<'_> {
    fn note(&self) {
        self.last_ms.set(self.worker.clock.now_ms());
    }

    fn has_stopped(&self, idle: Duration) -> bool {
        u128::from(self.worker.clock.now_ms().saturating_sub(self.last_ms.get())) >= idle.as_millis()
    }
}

/// Runs the tunnel to its end; `out` holds the head that says that it is open.
pub async fn run(
    worker: &Worker,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    mut upstream: Connection,
    mut out: Vec<u8>,
) -> After {
    // A stream of HTTP/2 is never upgraded: its requests have no Upgrade field.
    let Client::H1(client) = client else { return After::Abort };
    if client.writer.write_all(&mut out).await.is_err() {
        return After::Abort;
    }
    let route = exchange.route_index;
    exchange.cells.stream_opened(route);
    client.deadline.clear_read();
    upstream.deadline.clear_read();
    upstream.deadline.clear_total();
    let (to_client, to_upstream) = (client.deadline.control().clone(), upstream.deadline.control().clone());
    let (mut up, mut down) = (0, 0);
    let idle = exchange.route().and_then(|route| route.idle_timeout);
    let activity = Activity { worker, last_ms: Cell::new(worker.clock.now_ms()) };
    let end = {
        let note = || activity.note();
        let upwards = copy(&mut client.reader, &mut client.inbox, &mut upstream.writer, &to_upstream, &mut up, &note);
        let downwards =
            copy(&mut upstream.reader, &mut upstream.inbox, &mut client.writer, &to_client, &mut down, &note);
        let flowing = pin!(both(upwards, downwards));
        let watching = pin!(watch(worker, exchange.session.known.clone(), idle, &activity));
        match first(flowing, watching).await {
            First::Left(end) | First::Right(end) => end,
        }
    };
    exchange.cells.stream_closed(route, end.cause());
    exchange.answer.size = down;
    exchange.answer.details = match end {
        End::SessionOver => "session_revoked",
        End::Idle => "stream_idle_timeout",
        End::Drain => "draining",
        End::Client | End::Upstream => "via_upstream",
    };
    After::Abort
}

/// Both directions, each to its own end; says who ended first.
async fn both(upwards: impl Future<Output = ()>, downwards: impl Future<Output = ()>) -> End {
    let (mut upwards, mut downwards) = (pin!(upwards), pin!(downwards));
    match first(upwards.as_mut(), downwards.as_mut()).await {
        First::Left(()) => {
            downwards.await;
            End::Client
        }
        First::Right(()) => {
            upwards.await;
            End::Upstream
        }
    }
}

/// Copies until the sender ends, then passes the end on. A direction that breaks ends the other one too.
async fn copy(
    reader: &mut Reader,
    inbox: &mut Vec<u8>,
    writer: &mut Writer,
    to: &Control,
    size: &mut u64,
    note: &impl Fn(),
) {
    loop {
        if !inbox.is_empty() {
            *size += inbox.len() as u64;
            if writer.write_all(inbox).await.is_err() {
                break;
            }
        }
        match reader.read(inbox, READ_BYTES).await {
            Ok(1..) => note(),
            Ok(_) => {
                writer.finish(to).await;
                return;
            }
            Err(_) => break,
        }
    }
    to.shutdown();
}

/// Ends when the session does, when nothing is said for `idle`, or when the worker's drain time is over.
async fn watch(worker: &Worker, known: Option<Rc<Known>>, idle: Option<Duration>, activity: &Activity<'_>) -> End {
    let mut epoch = worker.door.revocations.epoch();
    loop {
        timer::sleep(WATCH_EVERY).await;
        if worker.draining.get() {
            return End::Drain;
        }
        if idle.is_some_and(|idle| activity.has_stopped(idle)) {
            return End::Idle;
        }
        let Some(known) = &known else { continue };
        if !known.session.is_valid_at(worker.clock.unix()) {
            return End::SessionOver;
        }
        let current = worker.door.revocations.epoch();
        if current != epoch {
            match still_good(worker, known).await {
                Some(true) => epoch = current,
                Some(false) => return End::SessionOver,
                // Nobody can say now: ask again soon.
                None => {}
            }
        }
    }
}
