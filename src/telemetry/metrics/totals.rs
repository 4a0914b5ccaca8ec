//! The sums over all workers, and what control sets; bounded in the number of their series.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::histogram::{HISTOGRAM_SERIES, Histogram};
use super::tally::{Events, RouteTally, WorkerGauges, WorkerTally, request_cell};
use super::{NO_ROUTE, OVERFLOW};
use crate::telemetry::access_log::Source;

/// Most series with a `route` label. What would be one more is added to the route `_overflow` instead.
pub const SERIES_MAX: usize = 20_000;
/// Series that each route shows from the start: one count of requests, retries, open streams, and two of endpoints.
const ROUTE_SERIES: usize = 5;

/// Everything that a scrape shows.
pub(super) struct Totals {
    pub(super) routes: BTreeMap<Arc<str>, RouteTotals>,
    pub(super) overflow: RouteTally,
    /// Room for more series.
    room: usize,
    /// Counts that went to `_overflow`.
    pub(super) folded: u64,
    pub(super) process: WorkerTally,
    pub(super) workers: BTreeMap<usize, WorkerGauges>,
    /// Up and down, by route.
    pub(super) endpoints: BTreeMap<Box<str>, (u64, u64)>,
    pub(super) config: Config,
    pub(super) certificates: Vec<Certificate>,
}

/// The totals of one route.
pub(super) struct RouteTotals {
    pub(super) tally: RouteTally,
    /// There was no room for the route: everything about it goes to `_overflow`.
    pub(super) is_folded: bool,
    /// Open streams counted in `_overflow` for this route.
    folded_streams: i64,
    /// Shared with every worker that may add to it.
    hold: Arc<()>,
    /// Nobody held it at the last scrape.
    is_parting: bool,
    /// Series taken from the room.
    series: usize,
}

#[derive(Default)]
pub(super) struct Config {
    pub(super) successful: bool,
    /// Since the Unix epoch.
    pub(super) adopted_at: Duration,
    /// Generation and checksum.
    pub(super) current: Option<(u64, u64)>,
    pub(super) reloads_adopted: u64,
    pub(super) reloads_refused: u64,
}

pub(super) struct Certificate {
    pub(super) name: Box<str>,
    /// Unix seconds.
    pub(super) not_after: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Totals {
            routes: BTreeMap::new(),
            overflow: RouteTally::default(),
            room: SERIES_MAX,
            folded: 0,
            process: WorkerTally::default(),
            workers: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            config: Config::default(),
            certificates: Vec::new(),
        }
    }
}

impl Totals {
    /// Adds and clears what a worker counted about a route; the answer keeps the route's totals alive.
    pub(super) fn pour_route(&mut self, name: &Arc<str>, counted: &mut RouteTally) -> Arc<()> {
        let room = &mut self.room;
        let route = self.routes.entry(name.clone()).or_insert_with(|| RouteTotals::new(room, &**name == NO_ROUTE));
        route.is_parting = false;
        let mut pouring = Pouring { route, overflow: &mut self.overflow, room, folded: &mut self.folded };
        pouring.pour(counted);
        pouring.route.hold.clone()
    }

    pub(super) fn pour_worker(&mut self, counted: &mut WorkerTally) {
        self.process.connections_opened += std::mem::take(&mut counted.connections_opened);
        self.process.panics += std::mem::take(&mut counted.panics);
        pour_events(&mut counted.events, &mut self.process.events);
    }

    /// Called before each scrape: routes that nobody holds are shown once more, then they go. The room that they leave
    /// is given to routes that had found none.
    pub(super) fn sweep(&mut self) {
        let Totals { routes, room, overflow, .. } = self;
        routes.retain(|_, route| {
            let is_held = Arc::strong_count(&route.hold) > 1;
            let stays = is_held || !route.is_parting;
            route.is_parting = !is_held;
            if !stays {
                *room += route.series;
            }
            stays
        });
        for route in routes.values_mut().filter(|route| route.is_folded) {
            route.unfold(room, overflow);
        }
    }

    #[cfg(test)]
    pub(super) fn limit_room(&mut self, room: usize) {
        self.room = room;
    }
}

impl RouteTotals {
    fn new(room: &mut usize, is_needed: bool) -> Self {
        let fits = *room >= ROUTE_SERIES;
        let series = if fits { ROUTE_SERIES } else { 0 };
        *room -= series;
        RouteTotals {
            tally: RouteTally::default(),
            is_folded: !fits && !is_needed,
            folded_streams: 0,
            hold: Arc::default(),
            is_parting: false,
            series,
        }
    }

    /// Gives the route series of its own when there is room. Counts stay where they are, open streams move.
    fn unfold(&mut self, room: &mut usize, overflow: &mut RouteTally) {
        if *room < ROUTE_SERIES {
            return;
        }
        *room -= ROUTE_SERIES;
        self.series += ROUTE_SERIES;
        self.is_folded = false;
        let streams = std::mem::take(&mut self.folded_streams);
        self.tally.streams_open += streams;
        overflow.streams_open -= streams;
    }
}

/// One pouring of a worker's counts into a route's totals, or into `_overflow` where a new series would not fit.
struct Pouring<'a> {
    route: &'a mut RouteTotals,
    overflow: &'a mut RouteTally,
    room: &'a mut usize,
    folded: &'a mut u64,
}

impl Pouring<'_> {
    fn pour(&mut self, counted: &mut RouteTally) {
        let shown = request_cell(200, Source::Upstream);
        for (cell, count) in counted.requests.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let is_new = self.route.tally.requests[cell] == 0 && cell != shown;
            let count = std::mem::take(count);
            self.into(is_new, 1, |tally| tally.requests[cell] += count);
        }
        self.histogram(&mut counted.duration, |tally| &mut tally.duration);
        self.histogram(&mut counted.first_byte, |tally| &mut tally.first_byte);
        let (retries, streams) = (std::mem::take(&mut counted.retries), std::mem::take(&mut counted.streams_open));
        if self.route.is_folded {
            self.route.folded_streams += streams;
        }
        if (retries, streams) != (0, 0) {
            self.into(false, 0, |tally| {
                tally.retries += retries;
                tally.streams_open += streams;
            });
        }
        for (event, count) in counted.events.take() {
            let is_new = !self.route.tally.events.holds(event);
            self.into(is_new, 1, |tally| tally.events.add(event, count));
        }
    }

    fn histogram(&mut self, counted: &mut Histogram, of: impl Fn(&mut RouteTally) -> &mut Histogram) {
        if counted.count() > 0 {
            let counted = std::mem::take(counted);
            let is_new = of(&mut self.route.tally).count() == 0;
            self.into(is_new, HISTOGRAM_SERIES, |tally| of(tally).absorb(&counted));
        }
    }

    /// Applies a change to the route, or to `_overflow`.
    fn into(&mut self, is_new: bool, series: usize, change: impl FnOnce(&mut RouteTally)) {
        if self.route.is_folded || (is_new && *self.room < series) {
            *self.folded += 1;
            return change(self.overflow);
        }
        if is_new {
            *self.room -= series;
            self.route.series += series;
        }
        change(&mut self.route.tally);
    }
}

fn pour_events(from: &mut Events, into: &mut Events) {
    for (event, count) in from.take() {
        into.add(event, count);
    }
}

/// The routes to show, `_overflow` last and only when something was folded.
pub(super) fn shown(totals: &Totals) -> impl Iterator<Item = (&str, &RouteTally)> {
    let overflow = (totals.folded > 0).then_some((OVERFLOW, &totals.overflow));
    totals
        .routes
        .iter()
        .filter(|(_, route)| !route.is_folded)
        .map(|(name, route)| (&**name, &route.tally))
        .chain(overflow)
}
