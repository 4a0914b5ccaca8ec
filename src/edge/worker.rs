//! What one core owns. Nothing here is shared with another core but the door to control and the metric catalogue.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::authorities::Authorities;
use super::balance::Turns;
use super::buffers::Buffers;
use super::busy::Busy;
use super::clock::Clock;
use super::coalesce::Coalescing;
use super::codec::mux;
use super::deadline::Deadlines;
use super::gate::Gate;
use super::oversight::Rounds;
use super::race::first;
use super::request_id::RequestIds;
use super::session::Sessions;
use super::tls::Tls;
use super::upstream::h2::Shared;
use super::upstream::pool::Pool;
use super::vouch::Assertions;
use super::{accept, drain, limits};
use crate::link::EdgeDoor;
use crate::link::feed::Cached;
use crate::net::bulk::Bulk;
use crate::net::driver::{self, Driver};
use crate::net::listen::Listener;
use crate::net::{affinity, timer};
use crate::plan::Plan;
use crate::telemetry::metrics::{Catalogue, WorkerCells};

/// How often the worker looks at its deadlines and moves its clock.
pub const TICK: Duration = Duration::from_millis(50);
/// Ticks between two flushes of the metric cells.
const FLUSH_TICKS: u64 = 5;

/// What a worker is made from, on the thread that starts it.
pub struct Setup {
    /// 0, 1, 2, …
    pub index: usize,
    /// The CPU to pin to; `None`: not pinned.
    pub cpu: Option<usize>,
    pub driver: Driver,
    /// Each is accepted on by this worker; others may accept on the same socket.
    pub listeners: Vec<std::net::TcpListener>,
    pub door: EdgeDoor,
    pub tls: Arc<Tls>,
    pub metrics: Arc<Catalogue>,
    /// The same one for all workers.
    pub gate: Arc<Gate>,
    /// Raised once, to stop.
    pub stop: Arc<AtomicBool>,
}

/// One core's data plane.
pub struct Worker {
    pub index: usize,
    pub driver: Driver,
    pub door: EdgeDoor,
    pub tls: Arc<Tls>,
    pub clock: Clock,
    pub coalescing: Coalescing,
    pub deadlines: Deadlines,
    pub rounds: Rounds,
    /// HTTP/2 connections, which must be told when the worker drains.
    pub muxes: mux::Connections,
    /// When requests of HTTP/2 begin.
    pub starts: mux::Starts,
    pub buffers: Buffers,
    pub cells: WorkerCells,
    pub sessions: Sessions,
    pub pool: Pool,
    pub bulk: Rc<Bulk>,
    /// Connections to endpoints that speak HTTP/2.
    pub shared: Shared,
    pub turns: Turns,
    /// Assertions about nobody, for public routes that pass identity.
    pub anonymous: Assertions,
    pub request_ids: RequestIds,
    pub authorities: Authorities,
    pub gate: Arc<Gate>,
    pub refusals: accept::Refusals,
    /// Set when the process is about to end: answers then close their connections.
    pub draining: Cell<bool>,
    /// Client connections open now.
    pub connections: Cell<usize>,
    /// Up to which revocation `sessions` is told.
    epoch: Cell<u64>,
    feed: RefCell<Cached>,
    /// The plan for which `cells`, `turns` and `sessions` are set up.
    plan: RefCell<Held>,
}

/// A plan as a worker holds it: counted on this core, so that requests touch no counter that cores share.
pub type Held = Rc<Arc<Plan>>;

impl Worker {
    fn new(setup: &Setup) -> io::Result<Rc<Self>> {
        let bulk = Bulk::new()?;
        let worker = Worker {
            index: setup.index,
            driver: setup.driver,
            door: setup.door.clone(),
            tls: setup.tls.clone(),
            clock: Clock::new(),
            coalescing: Coalescing::new(),
            deadlines: Deadlines::default(),
            rounds: Rounds::default(),
            muxes: mux::Connections::default(),
            starts: mux::Starts::new()?,
            buffers: Buffers::default(),
            cells: setup.metrics.worker(setup.index),
            sessions: Sessions::default(),
            pool: Pool::new(bulk.clone()),
            bulk,
            shared: Shared::default(),
            turns: Turns::new(setup.index),
            anonymous: Assertions::default(),
            request_ids: RequestIds::new(),
            authorities: Authorities::default(),
            gate: setup.gate.clone(),
            refusals: accept::Refusals::default(),
            draining: Cell::new(false),
            connections: Cell::new(0),
            epoch: Cell::new(setup.door.revocations.epoch()),
            feed: RefCell::new(setup.door.feed.cached()),
            plan: RefCell::new(Rc::new(setup.door.feed.current())),
        };
        worker.adopt(&worker.plan.borrow());
        Ok(Rc::new(worker))
    }

    /// The plan now; hold it for the whole of one request. What this worker keeps by route or session is set up anew
    /// when the plan is a new one.
    pub fn plan(&self) -> Held {
        let mut feed = self.feed.borrow_mut();
        let latest = feed.load();
        let held = self.plan.borrow().clone();
        if Arc::ptr_eq(latest, &held) {
            return held;
        }
        let latest = Rc::new(latest.clone());
        self.adopt(&latest);
        self.plan.replace(latest.clone());
        latest
    }

    /// Forgets every cached session when anything was revoked since the last look. Asked before each use of the cache, so
    /// that nobody passes with a session that was signed out a moment ago.
    pub fn heed_revocations(&self) {
        let current = self.door.revocations.epoch();
        if self.epoch.replace(current) != current {
            self.sessions.forget_all();
        }
    }

    fn adopt(&self, plan: &Plan) {
        let names: Vec<Box<str>> = plan.routes.iter().map(|route| route.name.clone()).collect();
        self.cells.adopt(&names);
        self.turns.adopt(plan.routes.len());
        self.sessions.forget_all();
        self.anonymous.forget_all();
    }
}

/// Runs a worker on the calling thread until it has stopped and drained.
pub fn run(setup: Setup) -> io::Result<()> {
    if let Some(cpu) = setup.cpu {
        // A fence may forbid it (systemd's `@resources`); the kernel then moves the thread as it likes.
        if let Err(error) = affinity::pin(cpu) {
            tracing::warn!(worker = setup.index, cpu, %error, "a worker could not be pinned to its CPU");
        }
    }
    if let Err(error) = timer::be_exact() {
        tracing::warn!(worker = setup.index, %error, "the waits of a worker may take longer than meant");
    }
    let driver = setup.driver;
    driver::block_on(driver, live(setup))?
}

async fn live(setup: Setup) -> io::Result<()> {
    let worker = Worker::new(&setup)?;
    let mut listeners = Vec::with_capacity(setup.listeners.len());
    for listener in setup.listeners {
        let listener = Rc::new(Listener::new(listener, setup.driver)?);
        crate::net::spawn(accept::serve(worker.clone(), listener.clone()));
        listeners.push(listener);
    }
    crate::net::spawn(receive(worker.clone()));
    crate::net::spawn(end_laps(worker.clone()));
    tick(&worker, &setup.stop).await;
    drain::drain(&worker, listeners).await;
    worker.cells.flush();
    Ok(())
}

/// Takes up what arrives at the sockets that are served in bulk, for as long as the worker lives.
async fn receive(worker: Rc<Worker>) {
    loop {
        if worker.bulk.arrivals().await.is_err() {
            // The system could not wait; it is asked again a little later.
            timer::sleep(TICK).await;
        }
        worker.bulk.receive(|| worker.buffers.take(), |room| worker.buffers.give(room));
    }
}

/// Ends each lap of the loop: sends what is to be sent in bulk, and pauses when it is time to.
async fn end_laps(worker: Rc<Worker>) {
    loop {
        first(pin!(worker.bulk.departures()), pin!(worker.coalescing.due())).await;
        if !worker.coalescing.pause().is_zero() {
            // Whoever has something to do adds to it, and is not kept waiting by the pause.
            crate::net::give_way().await;
        }
        worker.bulk.send(|room| worker.buffers.give(room));
        worker.coalescing.pause_when_due();
    }
}

/// The worker's housekeeping, until it is told to stop.
async fn tick(worker: &Rc<Worker>, stop: &AtomicBool) {
    let (mut busy, mut momentary) = (Busy::new(), Busy::new());
    let mut pooled = (0, 0);
    for count in 1u64.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        worker.door.board.beat(worker.index);
        worker.clock.advance();
        let now_ms = worker.clock.now_ms();
        worker.deadlines.sweep(now_ms);
        let plan = worker.plan();
        worker.coalescing.adapt(plan.timeouts.coalesce, momentary.ratio());
        let ping_ms = plan.timeouts.ping.as_millis() as u64;
        worker.heed_revocations();
        worker.rounds.tick(worker, count);
        if count.is_multiple_of(FLUSH_TICKS) {
            worker.pool.sweep(now_ms);
            for _ in 0..worker.shared.sweep(now_ms, ping_ms) {
                worker.cells.limit(limits::PING_TIMEOUT);
            }
            worker.muxes.sweep();
            worker.deadlines.look_for_clients(now_ms);
            let counts = (worker.pool.open(), worker.pool.idle());
            worker.cells.pool(counts.0 - pooled.0, counts.1 - pooled.1);
            pooled = counts;
            worker.cells.busy(busy.ratio());
            worker.cells.coalescing(worker.coalescing.pause());
            worker.cells.flush();
        }
        timer::sleep(TICK).await;
    }
}
