//! Byte buffers lent to exchanges and taken back, so that the hot path seldom asks the allocator.

use std::cell::RefCell;

/// Most buffers kept per worker.
const KEPT_MAX: usize = 256;
/// Larger buffers are given back to the allocator instead of kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Room of a fresh buffer.
pub const FRESH_BYTES: usize = 2 * 1024;

#[derive(Default)]
pub struct Buffers(RefCell<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer with some room.
    pub fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(FRESH_BYTES))
    }

    /// Takes a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX && (FRESH_BYTES..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            kept.push(buffer);
        }
    }
}
