//! The data-plane threads: one per core, pinned, each with its own listener of one SO_REUSEPORT group.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Context;

use crate::edge::gate::Gate;
use crate::edge::tls::Tls;
use crate::edge::worker::{self, Setup};
use crate::link::EdgeDoor;
use crate::net::driver::Driver;
use crate::net::{affinity, listen};
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

/// Binds one listener per worker; with port 0 the first one's port is taken for all.
pub fn bind(address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    let mut address = address;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = listen::bind(address).with_context(|| match address.port() {
            1..1024 => format!("cannot listen on {address} (ports below 1024 need CAP_NET_BIND_SERVICE)"),
            _ => format!("cannot listen on {address}"),
        })?;
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

impl Workers {
    /// Starts one thread per listener. They are pinned when there is a CPU for each.
    pub fn start(listeners: Vec<TcpListener>, shared: &Shared) -> anyhow::Result<Workers> {
        let cpus = affinity::allowed_cpus();
        let count = listeners.len();
        let pinned = count <= cpus.len();
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, ended) = mpsc::channel();
        for (index, listener) in listeners.into_iter().enumerate() {
            let setup = Setup {
                index,
                cpu: pinned.then(|| cpus[index]),
                driver: shared.driver,
                listener,
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
