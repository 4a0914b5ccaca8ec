//! Small HTTP/1 servers of the control plane, clear and bounded: connections, the size and time of a request's head, the
//! age of a connection.

mod entrance;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

pub use entrance::{Entrance, Secured};

/// Pause after a failed accept (no descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server lets happen to it.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The listener's name in logs.
    pub name: &'static str,
    /// Most connections at the same time; further ones wait in the listener's backlog.
    pub connections_max: usize,
    /// Longest time for the head of a request, counted from the end of the one before, and for what precedes the first.
    pub head: Duration,
    /// Largest head of a request, in bytes.
    pub head_bytes_max: usize,
    /// Longest life of a connection.
    pub life: Duration,
}

/// Serves until the future is dropped; then open connections close too.
pub async fn serve(entrance: impl Entrance, router: Router, bounds: Bounds) -> Infallible {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed, so there is always a place to wait for.
        let Ok(place) = places.clone().acquire_owned().await else { continue };
        match entrance.accept().await {
            Ok(opening) => {
                let router = router.clone();
                connections.spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(bounds.head, opening).await {
                        answer(stream, router, bounds).await;
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, listener = bounds.name, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer<S>(stream: S, router: Router, bounds: Bounds)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(bounds.head_bytes_max)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // How a client's connection ends is its own affair.
    let _ = tokio::time::timeout(bounds.life, connection).await;
}
