//! The data-plane threads: one per core, pinned, each with its own listener of one SO_REUSEPORT group where there are
//! enough.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Context;

use crate::edge::gate::Gate;
use crate::edge::tls::Tls;
use crate::edge::worker::{self, Setup};
use crate::link::EdgeDoor;
use crate::net::affinity;
use crate::net::driver::Driver;
use crate::telemetry::metrics::Catalogue;

/// The running workers.
pub struct Workers {
    stop: Arc<AtomicBool>,
    ended: mpsc::Receiver<(usize, io::Result<()>)>,
    count: usize,
}

/// What all workers share.
pub struct Shared {
    pub driver: Driver,
    pub door: EdgeDoor,
    pub tls: Arc<Tls>,
    pub metrics: Arc<Catalogue>,
    pub gate: Arc<Gate>,
}

impl Workers {
    /// Starts `count` threads on `listeners`. They are pinned when there is a CPU for each.
    pub fn start(count: usize, listeners: &[TcpListener], shared: &Shared) -> anyhow::Result<Workers> {
        let cpus = affinity::allowed_cpus();
        let pinned = count <= cpus.len();
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ended) = mpsc::channel();
        for (index, listeners) in share(listeners, count)?.into_iter().enumerate() {
            let setup = Setup {
                index,
                cpu: pinned.then(|| cpus[index]),
                driver: shared.driver,
                listeners,
                door: shared.door.clone(),
                tls: shared.tls.clone(),
                metrics: shared.metrics.clone(),
                gate: shared.gate.clone(),
                stop: stop.clone(),
            };
            let sender = sender.clone();
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    let _ = sender.send((index, worker::run(setup)));
                })
                .context("cannot start a worker thread")?;
        }
        Ok(Workers { stop, ended, count })
    }

    /// A handle that tells the workers to drain and end.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + use<> {
        let stop = self.stop.clone();
        move || stop.store(true, Ordering::Release)
    }

    /// Waits for all workers; an error when one ended without having been told to.
    pub fn wait(self) -> anyhow::Result<()> {
        for _ in 0..self.count {
            // A worker that panicked sends nothing; its sender is dropped, and with the last one the channel closes.
            let Ok((index, result)) = self.ended.recv() else { anyhow::bail!("a worker thread panicked") };
            result.with_context(|| format!("worker {index} failed"))?;
            if !self.stop.load(Ordering::Acquire) {
                anyhow::bail!("worker {index} ended without having been told to");
            }
        }
        Ok(())
    }
}

/// Shares the sockets out. Each socket is accepted on by some worker, for the kernel gives connections to every one of a
/// group; each worker accepts on some socket, which it may share with others.
fn share(listeners: &[TcpListener], count: usize) -> io::Result<Vec<Vec<TcpListener>>> {
    let mut shares: Vec<Vec<TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    for turn in 0..count.max(listeners.len()) {
        shares[turn % count].push(listeners[turn % listeners.len()].try_clone()?);
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_is_served_and_every_worker_serves() {
        let sockets: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for (sockets, workers, expected) in [
            (&sockets[..1], 1, &[1][..]),
            (&sockets[..1], 3, &[1, 1, 1]),
            (&sockets[..3], 2, &[2, 1]),
            (&sockets[..5], 2, &[3, 2]),
            (&sockets[..2], 2, &[1, 1]),
        ] {
            let shares = share(sockets, workers).unwrap();
            assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            let served: std::collections::BTreeSet<u16> =
                shares.iter().flatten().map(|l| l.local_addr().unwrap().port()).collect();
            assert_eq!(served.len(), sockets.len());
        }
    }
}
