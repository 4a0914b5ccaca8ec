//! Opens connections to endpoints, clear or TLS.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::pool::Key;
use super::{Connection, Opened, Share, h2};
use crate::edge::wire::{self, Session, TlsError};
use crate::edge::worker::Worker;
use crate::net::descriptors::is_exhausted;
use crate::net::tcp::Stream;
use crate::net::timer;
use crate::plan::cluster::{Cluster, Endpoint, Protocol};
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
    #[error("a connection for another request was not taken a moment ago")]
    Alike,
    /// As many requests as may be are on their way there over HTTP/2.
    #[error("no room on the connections to the endpoint within the connect timeout")]
    Full,
    /// So that some are left for others.
    #[error("the endpoint has its share of all descriptors")]
    Share,
}

impl ConnectError {
    /// As a metric label.
    pub fn cause(&self) -> &'static str {
        match self {
            ConnectError::Timeout => "timeout",
            ConnectError::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => "refused",
            ConnectError::Io(_) => "io",
            ConnectError::Tls(_) | ConnectError::NoServerName => "tls",
            ConnectError::Alike => "alike",
            ConnectError::Full | ConnectError::Share => "overflow",
        }
    }
}

/// An open connection: one from the pools, else a new one. An endpoint that refuses is marked down.
pub async fn open(
    worker: &Rc<Worker>,
    timeouts: &Timeouts,
    cluster: &Cluster,
    endpoint: &Arc<Endpoint>,
    share: Share,
    may_reuse: bool,
) -> Result<Opened, ConnectError> {
    let key = Key { address: endpoint.address, tls: cluster.tls_key, clear_h2: cluster.protocol == Protocol::Http2 };
    if cluster.protocol != Protocol::Http1 && !worker.shared.speaks_http1(key) {
        let call = Call { worker, timeouts, cluster, endpoint, key, share };
        return Box::pin(h2::open(&call, may_reuse)).await;
    }
    if may_reuse && let Some(connection) = worker.pool.take(key) {
        return Ok(Opened::H1(connection));
    }
    let call = Call { worker, timeouts, cluster, endpoint, key, share };
    let dialed = Box::pin(call.dial()).await?;
    if dialed.is_h2 {
        // It spoke HTTP/1.1 before.
        worker.shared.note(key, false);
        return Ok(Opened::H2(Box::new(Box::pin(h2::first(&call, *dialed.connection)).await?)));
    }
    Ok(Opened::H1(dialed.connection))
}

/// What is asked for: a connection for a cluster to one of its endpoints.
pub struct Call<'a> {
    pub worker: &'a Rc<Worker>,
    pub timeouts: &'a Timeouts,
    pub cluster: &'a Cluster,
    pub endpoint: &'a Arc<Endpoint>,
    pub key: Key,
    pub share: Share,
}

/// A fresh connection.
pub struct Dialed {
    pub connection: Box<Connection>,
    pub is_h2: bool,
}

impl Call<'_> {
    /// Makes a connection, and notes whether the endpoint takes any.
    pub async fn dial(&self) -> Result<Dialed, ConnectError> {
        match self.connect().await {
            Ok(dialed) => {
                self.endpoint.mark_up();
                Ok(dialed)
            }
            Err(ConnectError::Io(error)) if is_exhausted(&error) => {
                // That is our want, not the endpoint's fault.
                self.worker.cells.limit("descriptors");
                self.worker.pool.close_idle();
                Err(error.into())
            }
            Err(ConnectError::Share) => {
                self.worker.cells.limit("endpoint_connections");
                Err(ConnectError::Share)
            }
            Err(error) => {
                self.endpoint.mark_down(self.worker.clock.now_ms() + DOWN_MS);
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Dialed, ConnectError> {
        let Call { worker, timeouts, cluster, endpoint, key, share } = *self;
        let seat = endpoint.enter(share.of(worker.gate.per_endpoint())).ok_or(ConnectError::Share)?;
        let stream = timer::timeout(timeouts.connect, Stream::connect(endpoint.address))
            .await
            .map_err(|_| ConnectError::Timeout)??;
        stream.set_nodelay()?;
        let (mut reader, mut writer, control) = wire::clear(stream);
        let deadline = worker.deadlines.watch(control);
        let mut is_h2 = cluster.protocol == Protocol::Http2;
        if let Some(config) = &cluster.tls {
            let name = endpoint.server_name.clone().ok_or(ConnectError::NoServerName)?;
            deadline.set_read(worker.clock.now_ms() + timeouts.connect.as_millis() as u64);
            let session = Session::client(config.clone(), name)?;
            let result = wire::handshake(&mut reader, &mut writer, session, Vec::new()).await;
            if deadline.fired() {
                return Err(ConnectError::Timeout);
            }
            is_h2 = result?.is_h2;
            deadline.clear_read();
        }
        let mut inbox = Vec::new();
        wire::take_early(&reader, &mut inbox);
        let connection = Box::new(Connection {
            reader,
            writer,
            deadline,
            endpoint: endpoint.clone(),
            inbox,
            reused: false,
            key,
            _open: worker.pool.count(),
            _seat: seat,
        });
        Ok(Dialed { connection, is_h2 })
    }
}
