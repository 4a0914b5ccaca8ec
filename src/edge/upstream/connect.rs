//! Opens connections to endpoints, clear or TLS.

use std::io;
use std::sync::Arc;

use super::Connection;
use super::pool::Key;
use crate::edge::wire::{self, Session, TlsError};
use crate::edge::worker::Worker;
use crate::net::descriptors::is_exhausted;
use crate::net::tcp::Stream;
use crate::net::timer;
use crate::plan::cluster::{Cluster, Endpoint};
use crate::plan::timeouts::Timeouts;

/// An endpoint that did not take a connection is passed over for this long.
const DOWN_MS: u64 = 2_000;

/// Why an endpoint could not be connected to. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no connection within the connect timeout")]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("the endpoint has no name to verify")]
    NoServerName,
}

impl ConnectError {
    /// As a metric label.
    pub fn cause(&self) -> &'static str {
        match self {
            ConnectError::Timeout => "timeout",
            ConnectError::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => "refused",
            ConnectError::Io(_) => "io",
            ConnectError::Tls(_) | ConnectError::NoServerName => "tls",
        }
    }
}

/// An open connection: one from the pool, else a new one. An endpoint that refuses is marked down.
pub async fn open(
    worker: &Worker,
    timeouts: &Timeouts,
    cluster: &Cluster,
    endpoint: &Arc<Endpoint>,
    may_reuse: bool,
) -> Result<Connection, ConnectError> {
    let key = Key { address: endpoint.address, tls: cluster.tls_key };
    if may_reuse && let Some(connection) = worker.pool.take(key) {
        return Ok(connection);
    }
    match Box::pin(dial(worker, timeouts, cluster, endpoint, key)).await {
        Ok(connection) => {
            endpoint.mark_up();
            Ok(connection)
        }
        Err(ConnectError::Io(error)) if is_exhausted(&error) => {
            // That is our want, not the endpoint's fault.
            worker.cells.limit("descriptors");
            worker.pool.close_idle();
            Err(error.into())
        }
        Err(error) => {
            endpoint.mark_down(worker.clock.now_ms() + DOWN_MS);
            Err(error)
        }
    }
}

async fn dial(
    worker: &Worker,
    timeouts: &Timeouts,
    cluster: &Cluster,
    endpoint: &Arc<Endpoint>,
    key: Key,
) -> Result<Connection, ConnectError> {
    let stream = timer::timeout(timeouts.connect, Stream::connect(endpoint.address))
        .await
        .map_err(|_| ConnectError::Timeout)??;
    stream.set_nodelay()?;
    let (mut reader, mut writer, control) = wire::clear(stream);
    let deadline = worker.deadlines.watch(control);
    if let Some(config) = &cluster.tls {
        let name = endpoint.server_name.clone().ok_or(ConnectError::NoServerName)?;
        deadline.set_read(worker.clock.now_ms() + timeouts.connect.as_millis() as u64);
        let session = Session::client(config.clone(), name)?;
        let result = wire::handshake(&mut reader, &mut writer, session, Vec::new()).await;
        if deadline.fired() {
            return Err(ConnectError::Timeout);
        }
        result?;
        deadline.clear_read();
    }
    let mut inbox = Vec::new();
    wire::take_early(&reader, &mut inbox);
    Ok(Connection {
        reader,
        writer,
        deadline,
        endpoint: endpoint.clone(),
        inbox,
        reused: false,
        key,
        _open: worker.pool.count(),
    })
}
