//! The end of a worker: no new connection, idle ones closed, clients of HTTP/2 told to go, running requests finished, then
//! the rest cut.

use std::rc::Rc;

use super::worker::{TICK, Worker};
use crate::net::listen::Listener;
use crate::net::timer;

/// Drains within the plan's `drain` time. A listener that nobody else holds refuses clients from now on.
pub async fn drain(worker: &Worker, listeners: Vec<Rc<Listener>>) {
    worker.draining.set(true);
    listeners.iter().for_each(|listener| listener.stop());
    drop(listeners);
    let deadline = worker.clock.now_ms() + worker.plan().timeouts.drain.as_millis() as u64;
    for tick in 1u64.. {
        if worker.connections.get() == 0 || worker.clock.now_ms() >= deadline {
            break;
        }
        worker.muxes.leave(worker.clock.now_ms());
        worker.deadlines.close_idle();
        worker.deadlines.sweep(worker.clock.now_ms());
        worker.rounds.tick(worker, tick);
        timer::sleep(TICK).await;
        worker.door.board.beat(worker.index);
        worker.clock.advance();
    }
    worker.deadlines.close_all();
}
