//! Waiting on a worker. Timers have a resolution of one millisecond.

use std::time::Duration;

pub async fn sleep(duration: Duration) {
    monoio::time::sleep(duration).await;
}

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Elapsed;

/// Waits for `future` at most `duration`. Not for reads and writes of a socket that shall live on: those are bounded by
/// the worker's deadlines instead (see `edge::deadline`).
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    monoio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}
