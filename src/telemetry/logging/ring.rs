//! The last lines of the log, kept in memory for who asks: on an appliance there is no shell to read a file with.
//!
//! Only the thread that writes the log fills it, so that no worker ever takes its lock.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Most lines that are kept.
pub const LINES_MAX: usize = 5_000;
/// Most bytes that they have together.
pub const BYTES_MAX: usize = 1024 * 1024;

/// The last lines. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct Ring(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    /// How many lines there have been; who follows waits for a change.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<str>>,
    bytes: usize,
    /// The number of the line that comes next; lines are counted from 0.
    next: u64,
}

/// Some lines, and where to go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub lines: Vec<Arc<str>>,
    /// The number of the first line after these.
    pub next: u64,
}

impl Default for Ring {
    fn default() -> Self {
        Ring(Arc::new(Shared { lines: Mutex::default(), written: watch::Sender::new(0) }))
    }
}

impl Ring {
    /// The lines from number `from` on, as far as they are still there.
    pub fn since(&self, from: u64) -> Excerpt {
        let lines = self.lock();
        let oldest = lines.next - lines.kept.len() as u64;
        let skipped = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        Excerpt { lines: lines.kept.iter().skip(skipped).cloned().collect(), next: lines.next }
    }

    /// The last `count` lines.
    pub fn last(&self, count: usize) -> Excerpt {
        let from = self.lock().next.saturating_sub(count as u64);
        self.since(from)
    }

    /// Changes with each line.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.written.subscribe()
    }

    fn push(&self, line: &str) {
        let mut lines = self.lock();
        lines.bytes += line.len();
        lines.kept.push_back(line.into());
        lines.next += 1;
        while lines.kept.len() > LINES_MAX || lines.bytes > BYTES_MAX {
            let Some(oldest) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.len();
        }
        let next = lines.next;
        drop(lines);
        self.0.written.send_replace(next);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to a sink and into the ring. Each write is one line or more, whole: so the writing thread gets them.
pub(super) struct Tee<W> {
    sink: W,
    ring: Ring,
}

impl<W: Write> Tee<W> {
    pub(super) fn new(sink: W, ring: Ring) -> Self {
        Tee { sink, ring }
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The sink is closed (a pipe whose reader went away, say): the ring still serves.
        let outcome = self.sink.write_all(bytes);
        String::from_utf8_lossy(bytes).lines().for_each(|line| self.ring.push(line));
        outcome.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(some: &Excerpt) -> Vec<&str> {
        some.lines.iter().map(|line| &**line).collect()
    }

    #[test]
    fn lines_are_kept_in_order_and_told_on() {
        let ring = Ring::default();
        let changes = ring.changes();
        let mut tee = Tee::new(Vec::new(), ring.clone());
        tee.write_all(b"one\n").unwrap();
        tee.write_all(b"two\nthree\n").unwrap();
        assert_eq!(tee.sink, b"one\ntwo\nthree\n");
        assert!(changes.has_changed().unwrap());
        assert_eq!((texts(&ring.last(2)), ring.last(2).next), (vec!["two", "three"], 3));
        assert_eq!(texts(&ring.since(0)), ["one", "two", "three"]);
        assert_eq!(texts(&ring.since(3)), [""; 0]);
        assert_eq!(texts(&ring.since(u64::MAX)), [""; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded_by_lines_and_by_bytes() {
        let ring = Ring::default();
        for number in 0..LINES_MAX + 10 {
            ring.push(&number.to_string());
        }
        let all = ring.since(0);
        assert_eq!((all.lines.len(), &*all.lines[0]), (LINES_MAX, "10"));
        for _ in 0..3 {
            ring.push(&"x".repeat(BYTES_MAX / 2));
        }
        assert_eq!(ring.since(0).lines.len(), 2);
        ring.push(&"x".repeat(BYTES_MAX + 1));
        assert_eq!(ring.since(0).lines.len(), 0);
    }
}
