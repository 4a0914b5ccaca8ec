//! Bounded tables of short-lived handles: authorization codes and access tokens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Random bytes in a handle.
const HANDLE_BYTES: usize = 32;

/// Values behind unguessable handles. The oldest gives way when the table is full.
pub struct Tickets<T> {
    most: usize,
    life: Duration,
    table: Mutex<Table<T>>,
}

struct Table<T> {
    /// In order of issue, which is the order of expiry; at most `most` long, used handles included.
    issued: VecDeque<(Instant, String)>,
    live: HashMap<String, (Instant, T)>,
}

impl<T: Clone> Tickets<T> {
    /// A table of at most `most` values (at least 1), each living for `life`.
    pub fn new(most: usize, life: Duration) -> Self {
        let table = Table { issued: VecDeque::new(), live: HashMap::new() };
        Tickets { most: most.max(1), life, table: Mutex::new(table) }
    }

    /// Keeps `value` and returns its handle.
    pub fn issue(&self, value: T, now: Instant) -> String {
        let handle = URL_SAFE_NO_PAD.encode(crate::crypto::random_bytes::<HANDLE_BYTES>());
        let mut table = self.table();
        while let Some((end, _)) = table.issued.front() {
            if *end > now && table.issued.len() < self.most {
                break;
            }
            if let Some((_, gone)) = table.issued.pop_front() {
                table.live.remove(&gone);
            }
        }
        let end = now + self.life;
        table.issued.push_back((end, handle.clone()));
        table.live.insert(handle.clone(), (end, value));
        handle
    }

    /// Takes the value out: a handle works once.
    pub fn take(&self, handle: &str, now: Instant) -> Option<T> {
        let (end, value) = self.table().live.remove(handle)?;
        (end > now).then_some(value)
    }

    /// Looks the value up.
    pub fn find(&self, handle: &str, now: Instant) -> Option<T> {
        let table = self.table();
        let (end, value) = table.live.get(handle)?;
        (*end > now).then(|| value.clone())
    }

    /// The table is whole after every operation, so a panic elsewhere does not spoil it.
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_works_once_and_in_time_only() {
        let tickets = Tickets::new(8, Duration::from_secs(60));
        let start = Instant::now();
        let first = tickets.issue(1, start);
        assert_eq!(tickets.take("", start), None);
        assert_eq!(tickets.take(&first, start + Duration::from_secs(59)), Some(1));
        assert_eq!(tickets.take(&first, start), None);
        let late = tickets.issue(2, start);
        assert_eq!(tickets.find(&late, start + Duration::from_secs(60)), None);
        assert_eq!(tickets.take(&late, start + Duration::from_secs(60)), None);
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_gives_way() {
        let tickets = Tickets::new(3, Duration::from_secs(60));
        let start = Instant::now();
        let handles: Vec<_> = (0..100).map(|n| tickets.issue(n, start)).collect();
        let alive: Vec<_> = handles.iter().filter_map(|handle| tickets.find(handle, start)).collect();
        assert_eq!(alive, [97, 98, 99]);
        for n in 0..100 {
            let handle = tickets.issue(n, start);
            tickets.take(&handle, start);
        }
        let table = tickets.table();
        assert!(table.issued.len() <= 3 && table.live.len() <= 3);
    }

    #[test]
    fn expired_entries_leave_with_the_next_issue() {
        let tickets = Tickets::new(100, Duration::from_secs(60));
        let start = Instant::now();
        (0..50).for_each(|n| drop(tickets.issue(n, start)));
        tickets.issue(50, start + Duration::from_secs(61));
        assert_eq!(tickets.table().live.len(), 1);
    }
}
