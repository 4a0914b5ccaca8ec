//! Takes connections from the listener, each into a task of its own behind a panic guard.
//!
//! When descriptors run short, nothing is accepted until there are some again: new clients wait in the kernel's queue,
//! and what is left serves those who are in, the endpoints, control and the log.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::gate::{Full, Source};
use super::street;
use super::worker::Worker;
use crate::net::descriptors::is_exhausted;
use crate::net::listen::Listener;
use crate::net::{spawn_guarded, tcp, timer};

/// Between two looks whether there are descriptors again.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// While descriptors are short, connections between two requests are closed when they have been so for this long.
const IDLE_WHEN_CROWDED_MS: u64 = 2_000;
/// Between two log lines about refused connections; those between are counted.
const REFUSALS_TOLD_EVERY_MS: u64 = 1_000;

/// Accepts until the listener is stopped.
pub async fn serve(worker: Rc<Worker>, listener: Rc<Listener>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let is_crowded = worker.gate.is_crowded(stream.descriptor());
                admit(&worker, stream, peer);
                if is_crowded {
                    wait_for_descriptors(&worker, &listener).await;
                }
            }
            Err(_) if worker.draining.get() => return,
            Err(error) if is_exhausted(&error) => wait_for_descriptors(&worker, &listener).await,
            Err(error) => {
                tracing::warn!(error = %error, "accept failed");
                worker.cells.connection_rejected("accept");
                timer::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

/// Pauses until descriptors are free again, and helps it along.
async fn wait_for_descriptors(worker: &Worker, listener: &Listener) {
    worker.cells.limit("descriptors");
    tracing::warn!(cause = "descriptors", "accepting pauses: nearly all descriptors are in use");
    loop {
        timer::sleep(EXHAUSTED_PAUSE).await;
        let has_room = listener.next_descriptor().is_ok_and(|next| !worker.gate.is_crowded(next));
        if has_room || worker.draining.get() {
            break;
        }
        worker.pool.close_idle();
        worker.deadlines.close_idle_since(worker.clock.now_ms().saturating_sub(IDLE_WHEN_CROWDED_MS));
    }
    tracing::info!(cause = "descriptors", "accepting goes on");
}

fn admit(worker: &Rc<Worker>, stream: tcp::Stream, peer: SocketAddr) {
    let open = match Open::new(worker, peer.ip()) {
        Ok(open) => open,
        Err(full) => return worker.refusals.note(worker, full, peer.ip()),
    };
    let on_panic = {
        let worker = worker.clone();
        move || {
            worker.cells.panic();
            tracing::error!(peer = %peer, "a connection was closed because its task panicked; please report this");
        }
    };
    let worker = worker.clone();
    spawn_guarded(street::serve_connection(worker, stream, peer, open), on_panic);
}

/// Counts a connection as open for as long as it lives.
pub struct Open {
    worker: Rc<Worker>,
    source: Source,
}

impl Open {
    fn new(worker: &Rc<Worker>, address: IpAddr) -> Result<Self, Full> {
        let source = worker.gate.enter(&worker.plan().limits, address)?;
        worker.connections.set(worker.connections.get() + 1);
        worker.cells.connection_opened();
        Ok(Open { worker: worker.clone(), source })
    }

    /// The connection comes from `address`, as its PROXY header says.
    pub fn move_to(&mut self, address: IpAddr) -> Result<(), Full> {
        let Open { worker, source } = self;
        *source = worker.gate.move_to(&worker.plan().limits, *source, address)?;
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.gate.leave(self.source);
        self.worker.connections.set(self.worker.connections.get() - 1);
        self.worker.cells.connection_closed();
    }
}

/// Refused connections are counted one by one and told in the log now and then: a flood must not become one of lines.
#[derive(Default)]
pub struct Refusals {
    /// When the next line may be written.
    next_ms: Cell<u64>,
    untold: Cell<u64>,
}

impl Refusals {
    pub fn note(&self, worker: &Worker, full: Full, address: IpAddr) {
        worker.cells.connection_rejected(full.slug());
        worker.cells.limit(full.slug());
        let now_ms = worker.clock.now_ms();
        self.untold.set(self.untold.get() + 1);
        if now_ms >= self.next_ms.get() {
            self.next_ms.set(now_ms + REFUSALS_TOLD_EVERY_MS);
            let count = self.untold.take();
            tracing::warn!(ip = %address, cause = full.slug(), count, error = %full, "connection refused");
        }
    }
}
