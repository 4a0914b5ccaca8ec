//! Byte buffers lent to exchanges and taken back, so that the hot path seldom asks the allocator.

use std::cell::RefCell;

use crate::http::head::{Field, Room};

/// Most buffers of a kind kept per worker.
const KEPT_MAX: usize = 256;
/// Larger buffers are given back to the allocator instead of kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Room of a fresh buffer.
pub const FRESH_BYTES: usize = 2 * 1024;
/// Room that a connection holds while it waits for a request, in plaintext or ciphertext.
pub const IDLE_BYTES: usize = 1024;
/// A list of fields with more room is given back to the allocator instead of kept.
const FIELDS_KEPT_MAX: usize = 128;

#[derive(Default)]
pub struct Buffers {
    kept: RefCell<Vec<Vec<u8>>>,
    /// With less room than a fresh one, for connections at rest.
    small: RefCell<Vec<Vec<u8>>>,
    fields: RefCell<Vec<Vec<Field>>>,
}

impl Buffers {
    /// An empty buffer with some room.
    pub fn take(&self) -> Vec<u8> {
        self.kept.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(FRESH_BYTES))
    }

    /// An empty buffer with little room, for a connection that may wait for long.
    pub fn take_small(&self) -> Vec<u8> {
        self.small.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(IDLE_BYTES))
    }

    /// An empty list of fields, perhaps with room.
    pub fn take_fields(&self) -> Vec<Field> {
        self.fields.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes back what a head was made in.
    pub fn give_room(&self, room: Room) {
        self.give(room.bytes);
        let mut fields = room.fields;
        let mut kept = self.fields.borrow_mut();
        if kept.len() < KEPT_MAX && (1..=FIELDS_KEPT_MAX).contains(&fields.capacity()) {
            fields.clear();
            kept.push(fields);
        }
    }

    /// Takes a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = match buffer.capacity() {
            FRESH_BYTES..=KEPT_BYTES_MAX => self.kept.borrow_mut(),
            IDLE_BYTES..FRESH_BYTES => self.small.borrow_mut(),
            _ => return,
        };
        if kept.len() < KEPT_MAX {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_comes_back_where_its_room_fits() {
        let buffers = Buffers::default();
        for room in [0, IDLE_BYTES - 1, IDLE_BYTES, FRESH_BYTES - 1, FRESH_BYTES, KEPT_BYTES_MAX, KEPT_BYTES_MAX + 1] {
            let mut buffer = Vec::with_capacity(room);
            buffer.extend_from_slice(&b"left"[..room.min(4)]);
            buffers.give(buffer);
        }
        let sizes = |list: &RefCell<Vec<Vec<u8>>>| list.borrow().iter().map(Vec::capacity).collect::<Vec<_>>();
        assert_eq!(sizes(&buffers.kept), [FRESH_BYTES, KEPT_BYTES_MAX]);
        assert_eq!(sizes(&buffers.small), [IDLE_BYTES, FRESH_BYTES - 1]);
        for taken in [buffers.take(), buffers.take(), buffers.take()] {
            assert!(taken.is_empty() && taken.capacity() >= FRESH_BYTES);
        }
        for taken in [buffers.take_small(), buffers.take_small(), buffers.take_small()] {
            assert!(taken.is_empty() && (IDLE_BYTES..FRESH_BYTES).contains(&taken.capacity()));
        }
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let buffers = Buffers::default();
        for _ in 0..KEPT_MAX + 8 {
            buffers.give_room(Room { bytes: Vec::with_capacity(IDLE_BYTES), fields: Vec::with_capacity(4) });
            buffers.give_room(Room { bytes: Vec::new(), fields: Vec::with_capacity(FIELDS_KEPT_MAX + 1) });
        }
        assert_eq!((buffers.small.borrow().len(), buffers.fields.borrow().len()), (KEPT_MAX, KEPT_MAX));
        assert!(buffers.fields.borrow().iter().all(|fields| fields.capacity() <= FIELDS_KEPT_MAX));
    }
}
