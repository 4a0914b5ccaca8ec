//! What the tests are made of: the binary under test, upstreams, raw clients and real peers.

pub mod answer;
pub mod certificates;
pub mod peers;
pub mod process;
pub mod request;
pub mod scrape;
pub mod upstream;
pub mod vallum;
pub mod visitor;
pub mod websocket;
pub mod wire;

use std::time::{Duration, Instant};

pub use answer::Answer;
pub use upstream::Upstream;
pub use vallum::Vallum;
pub use wire::Wire;

/// How long anything that ought to happen may take.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `look` finds something; panics with `what` after [`PATIENCE`].
pub fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for(what, PATIENCE, look)
}

/// Looks until `look` finds something; panics with `what` after `patience`.
pub fn wait_for<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// `n` bytes that show a shift, a loss or a repetition: no two windows of 4 bytes within 16 MiB are alike by accident.
pub fn pattern(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}
