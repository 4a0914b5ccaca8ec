//! The service manager's watchdog: fed for as long as every worker goes on. A worker that is stuck stops the feed, and the
//! process is started anew.

use std::sync::Arc;
use std::time::Duration;

use super::systemd;
use crate::control::health::Health;

/// Between two looks when there is no watchdog to feed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The watchdog is fed so many times within its limit.
const FEEDS: u32 = 4;
/// Shortest time between two feeds.
const FEED_EVERY_MIN: Duration = Duration::from_millis(10);

/// Looks at the workers until the process ends, and feeds the watchdog when there is one.
pub async fn attend(health: Arc<Health>) {
    let limit = sd_notify::watchdog_enabled();
    let pause = limit.map_or(LOOK_EVERY, |limit| (limit / FEEDS).clamp(FEED_EVERY_MIN, LOOK_EVERY));
    let mut was_stuck = false;
    loop {
        let stuck = health.stuck();
        match stuck.first() {
            Some(worker) if !was_stuck => {
                tracing::error!(worker, watchdog = limit.is_some(), "a worker makes no progress");
                systemd::status(&format!("worker {worker} makes no progress"));
            }
            None if was_stuck => {
                tracing::warn!("every worker makes progress again");
                systemd::status("every worker makes progress again");
            }
            _ => {}
        }
        was_stuck = !stuck.is_empty();
        if limit.is_some() && !was_stuck {
            systemd::watchdog();
        }
        tokio::time::sleep(pause).await;
    }
}
