//! A new version proves itself: the data plane reports ready. systemd then blesses it (boot-complete.target).

use std::time::{Duration, Instant};

use super::UpdateError;
use crate::boot::client;

/// How long the data plane may take, counted from the start of its unit.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits until the process that runs here is ready to serve.
pub fn run() -> Result<(), UpdateError> {
    let began = Instant::now();
    while !client::is_ready() {
        if began.elapsed() >= PATIENCE {
            return Err(UpdateError::NotReady(PATIENCE.as_secs()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
