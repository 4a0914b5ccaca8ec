//! A connection or stream that was upgraded: bytes flow both ways until both sides have ended. It ends earlier when it
//! may not go on ([`super::oversight`]), when neither side has said anything for the route's `idle_timeout`, or when the
//! worker drains; a WebSocket is then told why by a close frame, between two frames of its own.

mod ends;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::codec::Client;
use super::codec::h1::After;
use super::exchange::{Exchange, Upgrade};
use super::oversight::{Cause, Permit};
use super::race::{First, first};
use super::websocket::frames::{self, Frames, GOING_AWAY, POLICY_VIOLATION};
use super::worker::Worker;
use crate::net::timer;
pub use ends::Upstream;
use ends::{Inlet, Outlet};

/// How long the side that has not ended may be silent once the other has.
const HALF_CLOSED: Duration = Duration::from_secs(300);
/// How long a WebSocket may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Upstream,
    /// It may not go on.
    Revoked(Cause),
    Idle,
    Drain,
}

impl End {
    fn cause(self) -> &'static str {
        match self {
            End::Client => "client",
            End::Upstream => "upstream",
            End::Revoked(cause) => cause.slug(),
            End::Idle => "idle",
            End::Drain => "drain",
        }
    }

    fn details(self) -> &'static str {
        match self {
            End::Revoked(cause) => cause.slug(),
            End::Idle => "stream_idle_timeout",
            End::Drain => "draining",
            End::Client | End::Upstream => "via_upstream",
        }
    }

    /// What a WebSocket is told (RFC 6455 section 7.4.1).
    fn code(self) -> u16 {
        if matches!(self, End::Revoked(_)) { POLICY_VIOLATION } else { GOING_AWAY }
    }
}

/// What both directions of a tunnel share with its watch.
struct Tunnel<'w> {
    worker: &'w Worker,
    is_websocket: bool,
    /// When something was read last, on either side.
    last_ms: Cell<u64>,
    /// One side has ended.
    half_closed: Cell<bool>,
    /// Both directions shall end, with this code.
    goodbye: Cell<Option<u16>>,
    /// Who must hear of it.
    waiting: RefCell<[Option<Waker>; 2]>,
}

/// The directions, as positions in `waiting`.
const UP: usize = 0;
const DOWN: usize = 1;

impl Tunnel<'_> {
    fn note(&self) {
        self.last_ms.set(self.worker.clock.now_ms());
    }

    /// Whether nothing was said for too long.
    fn is_idle(&self, idle: Option<Duration>) -> bool {
        let limit = match (idle, self.half_closed.get()) {
            (Some(idle), true) => Some(idle.min(HALF_CLOSED)),
            (None, true) => Some(HALF_CLOSED),
            (idle, false) => idle,
        };
        let silent_ms = self.worker.clock.now_ms().saturating_sub(self.last_ms.get());
        limit.is_some_and(|limit| u128::from(silent_ms) >= limit.as_millis())
    }

    fn say_goodbye(&self, code: u16) {
        self.goodbye.set(Some(code));
        self.waiting.take().into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until this direction is asked to end; the code.
    async fn asked_to_end(&self, direction: usize) -> u16 {
        poll_fn(|cx| match self.goodbye.get() {
            Some(code) => Poll::Ready(code),
            None => {
                self.waiting.borrow_mut()[direction] = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// Runs the tunnel to its end; `out` holds the head that says that it is open (HTTP/2 has sent it already).
pub async fn run(
    worker: &Worker,
    client: &mut Client<'_>,
    exchange: &mut Exchange,
    mut upstream: Upstream<'_>,
    mut out: Vec<u8>,
) -> After {
    let write_timeout = exchange.plan.timeouts.write;
    // The tunnel reads all the time, so it needs nobody to look whether the client is there.
    let is_gone = client.answer_over();
    let (from_client, mut to_client, first_bytes) = ends::of_client(client, worker, write_timeout);
    if is_gone || to_client.write(&mut out).await.is_err() {
        return After::Abort;
    }
    let (from_upstream, to_upstream, early) = upstream.ends(worker, write_timeout);
    let route = exchange.route_index;
    exchange.cells.stream_opened(route);
    let tunnel = Tunnel {
        worker,
        is_websocket: exchange.normal.upgrade == Some(Upgrade::WebSocket),
        last_ms: Cell::new(worker.clock.now_ms()),
        half_closed: Cell::new(false),
        goodbye: Cell::new(None),
        waiting: RefCell::default(),
    };
    let (mut up, mut down) = (0, 0);
    let (end, after) = {
        let upwards = Direction { tunnel: &tunnel, number: UP, inlet: from_client, outlet: to_upstream, size: &mut up };
        let downwards =
            Direction { tunnel: &tunnel, number: DOWN, inlet: from_upstream, outlet: to_client, size: &mut down };
        let flowing = pin!(both(&tunnel, upwards.flow(first_bytes), downwards.flow(early)));
        oversee(&tunnel, flowing, exchange).await
    };
    exchange.cells.stream_closed(route, end.cause());
    exchange.answer.size = down;
    exchange.answer.details = end.details();
    after
}

/// Lets both directions flow until they have ended, or must.
async fn oversee(
    tunnel: &Tunnel<'_>,
    mut flowing: Pin<&mut impl Future<Output = End>>,
    exchange: &Exchange,
) -> (End, After) {
    let watching = pin!(watch(tunnel, exchange));
    match first(flowing.as_mut(), watching).await {
        First::Left(end) => (end, After::Abort),
        First::Right(end) if tunnel.is_websocket => {
            tunnel.say_goodbye(end.code());
            match timer::timeout(GOODBYE, flowing).await {
                Ok(_) => (end, After::Close),
                Err(_) => (end, After::Abort),
            }
        }
        First::Right(end) => (end, After::Abort),
    }
}

/// Both directions, each to its own end; says who ended first.
async fn both(tunnel: &Tunnel<'_>, upwards: impl Future<Output = ()>, downwards: impl Future<Output = ()>) -> End {
    let (mut upwards, mut downwards) = (pin!(upwards), pin!(downwards));
    match first(upwards.as_mut(), downwards.as_mut()).await {
        First::Left(()) => {
            tunnel.half_closed.set(true);
            downwards.await;
            End::Client
        }
        First::Right(()) => {
            tunnel.half_closed.set(true);
            upwards.await;
            End::Upstream
        }
    }
}

/// One of the two directions.
struct Direction<'t> {
    tunnel: &'t Tunnel<'t>,
    number: usize,
    inlet: Inlet<'t>,
    outlet: Outlet<'t>,
    size: &'t mut u64,
}

impl Direction<'_> {
    /// Copies until the sender ends, then passes the end on. A direction that breaks ends the other one too. `bytes` were
    /// read already.
    async fn flow(mut self, mut bytes: Vec<u8>) {
        let mut frames = Frames::default();
        let mut is_leaving = false;
        loop {
            *self.size += bytes.len() as u64;
            if self.tunnel.is_websocket {
                frames.note(&bytes);
            }
            if is_leaving {
                // The receiver was told that nothing follows; the sender's own goodbye is still awaited.
                bytes.clear();
                if frames.is_closed() {
                    return;
                }
            } else if self.outlet.write(&mut bytes).await.is_err() {
                return self.outlet.cut();
            }
            match self.read(&mut bytes, &frames, &mut is_leaving).await {
                Ok(true) => self.tunnel.note(),
                _ if is_leaving => return,
                Ok(false) => return self.outlet.finish().await,
                Err(_) => return self.outlet.cut(),
            }
        }
    }

    /// Reads once. When the tunnel is asked to end meanwhile, the receiver is told so as soon as no frame is half-way; a
    /// read that has begun is never dropped, so that no byte is lost.
    async fn read(&mut self, bytes: &mut Vec<u8>, frames: &Frames, is_leaving: &mut bool) -> io::Result<bool> {
        let Direction { tunnel, number, inlet, outlet, .. } = self;
        let mut reading = pin!(inlet.read(bytes));
        if *is_leaving || !frames.may_follow() {
            return reading.await;
        }
        let asked = pin!(tunnel.asked_to_end(*number));
        match first(reading.as_mut(), asked).await {
            First::Left(read) => read,
            First::Right(code) => {
                *is_leaving = true;
                say_goodbye(outlet, code, *number == UP).await;
                reading.await
            }
        }
    }
}

async fn say_goodbye(outlet: &mut Outlet<'_>, code: u16, is_masked: bool) {
    let mut mask = [0; 4];
    // A mask keeps nothing secret (RFC 6455 section 10.3): one of zeros is better than no goodbye.
    let _ = getrandom::fill(&mut mask);
    let mut goodbye = frames::close(code, is_masked.then_some(mask));
    // Nobody is helped when the receiver does not hear it.
    let _ = outlet.write(&mut goodbye).await;
    outlet.finish().await;
}

/// Ends when the tunnel may not go on, when nothing is said for the route's `idle_timeout`, or, for a WebSocket, when the
/// worker drains. Other protocols have no word for that: they run on until the drain time is over.
async fn watch(tunnel: &Tunnel<'_>, exchange: &Exchange) -> End {
    let worker = tunnel.worker;
    let idle = exchange.route().and_then(|route| route.idle_timeout);
    let mut permit = Permit::of(worker, exchange);
    let mut round = worker.rounds.count();
    loop {
        worker.rounds.next(&mut round).await;
        if worker.draining.get() && tunnel.is_websocket {
            return End::Drain;
        }
        if tunnel.is_idle(idle) {
            return End::Idle;
        }
        if let Err(revoked) = permit.look().await {
            return End::Revoked(revoked.cause);
        }
    }
}
