//! The metric catalogue, and the cells in which each worker counts without sharing.

use std::sync::Arc;

use super::access_log::Source;

/// Stub.
#[derive(Default)]
pub struct Catalogue {}
impl Catalogue {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
    pub fn worker(self: &Arc<Self>, _index: usize) -> WorkerCells {
        WorkerCells {}
    }
}
/// Stub.
pub struct WorkerCells {}
impl WorkerCells {
    pub fn adopt(&self, _route_names: &[Box<str>]) {}
    pub fn request(&self, _r: Option<usize>, _s: u16, _src: Source, _d: u64, _f: Option<u64>) {}
    pub fn stream_opened(&self, _r: usize) {}
    pub fn stream_closed(&self, _r: usize, _cause: &'static str) {}
    pub fn decision(&self, _r: usize, _res: &'static str, _reason: &'static str) {}
    pub fn connection_opened(&self) {}
    pub fn connection_closed(&self) {}
    pub fn connection_rejected(&self, _c: &'static str) {}
    pub fn tls_handshake(&self, _v: &'static str, _r: &'static str) {}
    pub fn proxy_reject(&self, _c: &'static str) {}
    pub fn upstream_connect_failure(&self, _r: usize, _c: &'static str) {}
    pub fn upstream_retry(&self, _r: usize) {}
    pub fn pool(&self, _open: i64, _idle: i64) {}
    pub fn panic(&self) {}
    pub fn busy(&self, _r: f64) {}
    pub fn flush(&self) {}
}
