//! Revocations: a counter that control raises and every worker compares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many times something was revoked. When a worker sees the number change it forgets every cached session and asks
/// the desk again; live streams are asked about too, and cut when their session is gone.
#[derive(Clone, Default)]
pub struct Revocations(Arc<AtomicU64>);

impl Revocations {
    /// Says that a session, a user or a key was revoked. Call it after the store has forgotten the session.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub fn epoch(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
