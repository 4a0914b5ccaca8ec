//! Whether this process lives and serves.

mod liveness;

pub use liveness::{Liveness, STUCK_AFTER};
