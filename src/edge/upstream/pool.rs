//! Idle connections to endpoints, kept per worker for the next request.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use super::Connection;
use crate::net::bulk::Bulk;

/// Most idle connections kept to one endpoint.
const IDLE_PER_ENDPOINT_MAX: usize = 256;
/// An idle connection older than this is closed.
pub const IDLE_MS_MAX: u64 = 20_000;

/// Connections are interchangeable when the address, the TLS settings and the protocol are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub address: SocketAddr,
    /// [`crate::plan::cluster::Cluster::tls_key`].
    pub tls: u64,
    /// HTTP/2 in clear text.
    pub clear_h2: bool,
}

struct Idle {
    connection: Box<Connection>,
    since_ms: u64,
}

pub struct Pool {
    bulk: Rc<Bulk>,
    idle: RefCell<HashMap<Key, Vec<Idle>, foldhash::fast::RandomState>>,
    open: Rc<Cell<i64>>,
}

/// One open connection, counted until dropped.
pub struct Open(Rc<Cell<i64>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Pool {
    /// Connections that were idle once are served by `bulk`.
    pub fn new(bulk: Rc<Bulk>) -> Self {
        Pool { bulk, idle: RefCell::default(), open: Rc::default() }
    }

    /// The connection used last, if it is still open and silent. One that has something to read is no longer in step
    /// with its requests (a late or surplus answer): it is closed, never used.
    pub fn take(&self, key: Key) -> Option<Box<Connection>> {
        let mut map = self.idle.borrow_mut();
        let idle = map.get_mut(&key)?;
        while let Some(Idle { mut connection, .. }) = idle.pop() {
            if connection.reader.is_quiet() {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last exchange ended cleanly.
    pub fn put(&self, mut connection: Box<Connection>, now_ms: u64) {
        connection.writer.rest();
        connection.deadline.clear_read();
        connection.deadline.clear_write();
        connection.deadline.clear_total();
        let Connection { reader, writer, .. } = &mut *connection;
        if reader.join(&self.bulk, writer).is_err() {
            // It could be closed unseen.
            return;
        }
        reader.begin();
        let mut map = self.idle.borrow_mut();
        let idle = map.entry(connection.key).or_default();
        if idle.len() < IDLE_PER_ENDPOINT_MAX {
            idle.push(Idle { connection, since_ms: now_ms });
        }
    }

    /// Closes what has been idle for too long.
    pub fn sweep(&self, now_ms: u64) {
        self.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|one| now_ms.saturating_sub(one.since_ms) < IDLE_MS_MAX);
            !idle.is_empty()
        });
    }

    /// Closes all that are idle.
    pub fn close_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Counts a new connection.
    pub fn count(&self) -> Open {
        self.open.set(self.open.get() + 1);
        Open(self.open.clone())
    }

    /// How many connections are open, idle ones included.
    pub fn open(&self) -> i64 {
        self.open.get()
    }

    /// How many connections are idle.
    pub fn idle(&self) -> i64 {
        self.idle.borrow().values().map(|idle| idle.len() as i64).sum()
    }
}
