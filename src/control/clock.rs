//! The wall clock, for what is dated; everything that waits uses the runtime's monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds; 0 on a machine whose clock stands before 1970.
pub fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|elapsed| i64::try_from(elapsed.as_secs()).ok())
        .unwrap_or_default()
}
