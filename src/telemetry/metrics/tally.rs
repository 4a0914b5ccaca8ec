//! What is counted about a route and about a worker: plain integers, the same shape in a worker's cells and in the
//! totals.

use super::OVERFLOW;
use super::histogram::Histogram;
use crate::telemetry::access_log::Source;

/// Most different labelled events of one route or worker; more are folded into one.
pub(super) const EVENTS_MAX: usize = 96;

/// Status classes; 0 and whatever is no status come last.
pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "_other"];

/// Cells of one route's requests: class × source.
pub(super) const REQUEST_CELLS: usize = CLASSES.len() * Source::ALL.len();

/// The cell of a request.
pub(super) fn request_cell(status: u16, source: Source) -> usize {
    let class = match status {
        100..600 => usize::from(status / 100) - 1,
        _ => CLASSES.len() - 1,
    };
    class * Source::ALL.len() + source as usize
}

/// The labels of a cell: class, source.
pub(super) fn request_labels(cell: usize) -> (&'static str, &'static str) {
    (CLASSES[cell / Source::ALL.len()], Source::ALL[cell % Source::ALL.len()].label())
}

/// One labelled event; the strings are of closed vocabularies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    StreamClosed { cause: &'static str },
    ConnectFailure { cause: &'static str },
    Decision { result: &'static str, reason: &'static str },
    Rejected { cause: &'static str },
    Handshake { version: &'static str, result: &'static str },
    ProxyReject { cause: &'static str },
    Limit { limit: &'static str },
}

impl Event {
    /// The same kind of event without its particulars.
    fn folded(self) -> Event {
        match self {
            Event::StreamClosed { .. } => Event::StreamClosed { cause: OVERFLOW },
            Event::ConnectFailure { .. } => Event::ConnectFailure { cause: OVERFLOW },
            Event::Decision { .. } => Event::Decision { result: OVERFLOW, reason: OVERFLOW },
            Event::Rejected { .. } => Event::Rejected { cause: OVERFLOW },
            Event::Handshake { .. } => Event::Handshake { version: OVERFLOW, result: OVERFLOW },
            Event::ProxyReject { .. } => Event::ProxyReject { cause: OVERFLOW },
            Event::Limit { .. } => Event::Limit { limit: OVERFLOW },
        }
    }
}

/// Counts of labelled events. There are few kinds, so a list is searched faster than a map.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<(Event, u64)>);

impl Events {
    pub(super) fn add(&mut self, event: Event, count: u64) {
        let event = if self.0.len() >= EVENTS_MAX && !self.holds(event) { event.folded() } else { event };
        match self.0.iter_mut().find(|(known, _)| *known == event) {
            Some((_, total)) => *total += count,
            None => self.0.push((event, count)),
        }
    }

    pub(super) fn holds(&self, event: Event) -> bool {
        self.0.iter().any(|(known, _)| *known == event)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Event, u64)> + '_ {
        self.0.iter().copied()
    }

    /// What was counted since the last call. The list keeps its events, so that a busy one is not built again.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Event, u64)> + '_ {
        self.0.iter_mut().filter(|(_, count)| *count > 0).map(|(event, count)| (*event, std::mem::take(count)))
    }
}

/// Counts of one route.
#[derive(Debug)]
pub(super) struct RouteTally {
    pub(super) requests: [u64; REQUEST_CELLS],
    pub(super) duration: Histogram,
    pub(super) first_byte: Histogram,
    pub(super) retries: u64,
    pub(super) streams_open: i64,
    pub(super) events: Events,
}

impl Default for RouteTally {
    fn default() -> Self {
        RouteTally {
            requests: [0; REQUEST_CELLS],
            duration: Histogram::default(),
            first_byte: Histogram::default(),
            retries: 0,
            streams_open: 0,
            events: Events::default(),
        }
    }
}

/// Counts that belong to no route.
#[derive(Debug, Default)]
pub(super) struct WorkerTally {
    pub(super) connections_opened: u64,
    pub(super) panics: u64,
    pub(super) events: Events,
}

/// What a worker holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct WorkerGauges {
    pub(super) connections_open: i64,
    pub(super) requests_in_flight: i64,
    pub(super) pool_open: i64,
    pub(super) pool_idle: i64,
    pub(super) busy_ratio: f64,
    pub(super) coalescing_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_cell() {
        let mut seen = std::collections::HashSet::new();
        for status in [100, 204, 302, 404, 599, 0] {
            for source in Source::ALL {
                let cell = request_cell(status, source);
                assert!(cell < REQUEST_CELLS && seen.insert(cell));
                assert_eq!(request_labels(cell).1, source.label());
            }
        }
        for (status, class) in
            [(0, "_other"), (99, "_other"), (600, "_other"), (u16::MAX, "_other"), (503, "5xx"), (101, "1xx")]
        {
            assert_eq!(request_labels(request_cell(status, Source::Portal)).0, class, "{status}");
        }
    }

    #[test]
    fn events_are_bounded() {
        let mut events = Events::default();
        for index in 0..1000 {
            let cause: &'static str = Box::leak(format!("c{index}").into_boxed_str());
            events.add(Event::Rejected { cause }, 1);
            events.add(Event::ProxyReject { cause }, 1);
        }
        assert!(events.0.len() <= EVENTS_MAX + 2);
        assert_eq!(events.take().map(|(_, count)| count).sum::<u64>(), 2000);
        assert_eq!(events.take().count(), 0);
        events.add(Event::Rejected { cause: "c1" }, 2);
        assert_eq!(events.take().collect::<Vec<_>>(), [(Event::Rejected { cause: "c1" }, 2)]);
    }
}
