//! The dynamic table (RFC 7541 section 2.3.2): entries side by side in one run of bytes, the oldest first.

use std::collections::VecDeque;

use super::meaning::Meaning;

/// The largest table that a client may ask us to keep: the default, which we leave as it is.
pub const TABLE_BYTES_MAX: usize = 4096;
/// What an entry costs besides its bytes (RFC 7541 section 4.1).
pub const ENTRY_OVERHEAD: usize = 32;
/// How far the run of bytes may grow before its dead beginning is cut off.
const RUN_BYTES_MAX: usize = 2 * TABLE_BYTES_MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Counted from the first byte that ever was in the table.
    start: usize,
    name: u16,
    value: u16,
    meaning: Meaning,
    clean: bool,
}

/// A field as the table knows it.
pub struct Known<'t> {
    pub name: &'t [u8],
    pub value: &'t [u8],
    pub meaning: Meaning,
    pub clean: bool,
}

#[derive(Debug)]
pub struct Table {
    run: Vec<u8>,
    /// How many bytes were cut off before the run.
    cut: usize,
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
}

impl Table {
    pub fn new() -> Self {
        Table { run: Vec::new(), cut: 0, entries: VecDeque::new(), size: 0, max: TABLE_BYTES_MAX }
    }

    /// The entry at `position`, 0 being the newest.
    pub fn get(&self, position: usize) -> Option<Known<'_>> {
        let last = self.entries.len().checked_sub(1)?;
        let entry = self.entries.get(last.checked_sub(position)?)?;
        let (name, rest) = self.run[entry.start - self.cut..].split_at(usize::from(entry.name));
        Some(Known { name, value: &rest[..usize::from(entry.value)], meaning: entry.meaning, clean: entry.clean })
    }

    /// Adds an entry and forgets the oldest ones for it; one that is larger than the table empties it (section 4.4).
    pub fn insert(&mut self, name: &[u8], value: &[u8], meaning: Meaning, clean: bool) {
        let cost = name.len() + value.len() + ENTRY_OVERHEAD;
        self.evict(self.max.saturating_sub(cost));
        if cost > self.max {
            return;
        }
        if self.run.len() + name.len() + value.len() > RUN_BYTES_MAX {
            self.compact();
        }
        let start = self.cut + self.run.len();
        self.run.extend_from_slice(name);
        self.run.extend_from_slice(value);
        self.size += cost;
        self.entries.push_back(Entry { start, name: name.len() as u16, value: value.len() as u16, meaning, clean });
    }

    /// Sets the size that the client wants; false when it is above the bound.
    pub fn resize(&mut self, max: usize) -> bool {
        if max > TABLE_BYTES_MAX {
            return false;
        }
        self.max = max;
        self.evict(max);
        true
    }

    fn evict(&mut self, until: usize) {
        while self.size > until {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.size -= usize::from(oldest.name) + usize::from(oldest.value) + ENTRY_OVERHEAD;
        }
        if self.entries.is_empty() {
            self.cut += self.run.len();
            self.run.clear();
        }
    }

    fn compact(&mut self) {
        let live = self.entries.front().map_or(self.run.len(), |oldest| oldest.start - self.cut);
        self.run.drain(..live);
        self.cut += live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::FieldKind;

    const OTHER: Meaning = Meaning::Field(FieldKind::Other);

    #[test]
    fn the_newest_is_first_and_the_oldest_goes() {
        let mut table = Table::new();
        for n in 0..1000u32 {
            let (name, value) = (format!("name-{n}"), "v".repeat(n as usize % 300));
            table.insert(name.as_bytes(), value.as_bytes(), OTHER, true);
            let newest = table.get(0).unwrap();
            assert_eq!((newest.name, newest.value.len()), (name.as_bytes(), n as usize % 300));
            assert!(table.size <= TABLE_BYTES_MAX && table.run.len() <= RUN_BYTES_MAX);
            let cost: usize = (0..).map_while(|at| table.get(at)).map(|k| k.name.len() + k.value.len() + 32).sum();
            assert_eq!(cost, table.size);
            for at in 0..table.entries.len() {
                assert_eq!(table.get(at).unwrap().name, format!("name-{}", n as usize - at).as_bytes());
            }
        }
    }

    #[test]
    fn sizes_evict() {
        let mut table = Table::new();
        table.insert(b"a", b"b", OTHER, true);
        table.insert(b"c", b"d", OTHER, false);
        assert!(table.resize(67) && table.get(1).is_none());
        assert_eq!(table.get(0).unwrap().name, b"c");
        assert!(!table.resize(TABLE_BYTES_MAX + 1));
        table.insert(b"e", &[b'x'; 100], OTHER, true);
        assert!(table.get(0).is_none() && table.size == 0);
        assert!(table.resize(0) && table.resize(4096));
        table.insert(b"", b"", OTHER, true);
        assert!(table.get(0).is_some() && table.get(1).is_none());
    }
}
