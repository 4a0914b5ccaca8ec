//! The cells of one worker: single-threaded, plain integers, poured into the totals from time to time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::tally::{Event, RouteTally, WorkerGauges, WorkerTally, request_cell};
use super::{NO_ROUTE, Shared};
use crate::telemetry::access_log::Source;

/// Counts of one worker. Routes are named by their position in the plan that was adopted last; what outlives a plan
/// (a request, a stream) counts on a [`WorkerCells::pinned`] handle. Dropping the last handle pours the rest.
pub struct WorkerCells {
    core: Rc<Core>,
    /// By position in the plan.
    routes: RefCell<Rc<[Rc<RouteCell>]>>,
}

struct Core {
    index: usize,
    totals: Shared,
    tally: RefCell<WorkerTally>,
    gauges: Cell<WorkerGauges>,
    /// Requests without a route.
    none: Rc<RouteCell>,
    /// Routes that counted something since the last pouring.
    dirty: RefCell<Vec<Rc<RouteCell>>>,
}

struct RouteCell {
    name: Arc<str>,
    tally: RefCell<RouteTally>,
    is_dirty: Cell<bool>,
    /// Keeps the route's totals while this worker may still add to them.
    hold: RefCell<Option<Arc<()>>>,
}

impl RouteCell {
    fn new(name: &str) -> Rc<RouteCell> {
        Rc::new(RouteCell {
            name: name.into(),
            tally: RefCell::default(),
            is_dirty: Cell::new(false),
            hold: RefCell::new(None),
        })
    }
}

impl WorkerCells {
    pub(super) fn new(index: usize, totals: Shared) -> WorkerCells {
        let core = Rc::new(Core {
            index,
            totals,
            tally: RefCell::default(),
            gauges: Cell::default(),
            none: RouteCell::new(NO_ROUTE),
            dirty: RefCell::default(),
        });
        let none = core.none.clone();
        core.mark(&none);
        WorkerCells { core, routes: RefCell::new(Rc::new([])) }
    }

    /// Takes over a new plan: `route_names` by position. Routes that stay keep their counts. Handles pinned before
    /// still mean the plan before.
    pub fn adopt(&self, route_names: &[Box<str>]) {
        let mut known: HashMap<Arc<str>, Rc<RouteCell>> =
            self.routes.borrow().iter().map(|cell| (cell.name.clone(), cell.clone())).collect();
        let routes = route_names
            .iter()
            .map(|name| {
                let cell = known.entry(Arc::from(&**name)).or_insert_with(|| RouteCell::new(name));
                // Even an unused route shows, from the next pouring on.
                self.core.mark(cell);
                cell.clone()
            })
            .collect();
        self.routes.replace(routes);
        self.flush();
    }

    /// A handle on the same cells that means the present plan for good.
    pub fn pinned(&self) -> WorkerCells {
        WorkerCells { core: self.core.clone(), routes: RefCell::new(self.routes.borrow().clone()) }
    }

    /// A request is over: its status (0: none was sent), who answered, from its first byte to the last of the response,
    /// and to the first byte of the response. Streams (upgrades, tunnels) are not counted here.
    pub fn request(
        &self,
        route: Option<usize>,
        status: u16,
        source: Source,
        duration_us: u64,
        first_byte_us: Option<u64>,
    ) {
        self.count(route, |tally| {
            tally.requests[request_cell(status, source)] += 1;
            tally.duration.observe(duration_us);
            if let Some(us) = first_byte_us {
                tally.first_byte.observe(us);
            }
        });
    }

    /// A request's head was read. Each opened request is closed once, whatever becomes of it.
    pub fn request_opened(&self) {
        self.gauge(|gauges| gauges.requests_in_flight += 1);
    }

    pub fn request_closed(&self) {
        self.gauge(|gauges| gauges.requests_in_flight -= 1);
    }

    /// A request became a stream. Close it on a handle of the same plan.
    pub fn stream_opened(&self, route: impl Into<Option<usize>>) {
        self.count(route.into(), |tally| tally.streams_open += 1);
    }

    /// `cause`: client, upstream, session_revoked, client_certificate, denied, route_not_found, drain, idle.
    pub fn stream_closed(&self, route: impl Into<Option<usize>>, cause: &'static str) {
        self.count(route.into(), |tally| {
            tally.streams_open -= 1;
            tally.events.add(Event::StreamClosed { cause }, 1);
        });
    }

    /// Another exchange that went on for long was cut, because it might not any more; `cause` as above.
    pub fn exchange_revoked(&self, route: impl Into<Option<usize>>, cause: &'static str) {
        self.count(route.into(), |tally| tally.events.add(Event::StreamClosed { cause }, 1));
    }

    /// A policy decision: `allow`, `deny` or `sign_in`, and the reason that decided.
    pub fn decision(&self, route: usize, result: &'static str, reason: &'static str) {
        self.count(Some(route), |tally| tally.events.add(Event::Decision { result, reason }, 1));
    }

    pub fn upstream_connect_failure(&self, route: impl Into<Option<usize>>, cause: &'static str) {
        self.count(route.into(), |tally| tally.events.add(Event::ConnectFailure { cause }, 1));
    }

    pub fn upstream_retry(&self, route: impl Into<Option<usize>>) {
        self.count(route.into(), |tally| tally.retries += 1);
    }

    pub fn connection_opened(&self) {
        self.core.tally.borrow_mut().connections_opened += 1;
        self.gauge(|gauges| gauges.connections_open += 1);
    }

    pub fn connection_closed(&self) {
        self.gauge(|gauges| gauges.connections_open -= 1);
    }

    /// A connection was turned away before it was opened.
    pub fn connection_rejected(&self, cause: &'static str) {
        self.event(Event::Rejected { cause });
    }

    pub fn tls_handshake(&self, version: &'static str, result: &'static str) {
        self.event(Event::Handshake { version, result });
    }

    pub fn proxy_reject(&self, cause: &'static str) {
        self.event(Event::ProxyReject { cause });
    }

    /// A limit ended or refused something; the log names it alike.
    pub fn limit(&self, limit: &'static str) {
        self.event(Event::Limit { limit });
    }

    /// Changes of the upstream pool: connections that exist, and those of them that nobody uses.
    pub fn pool(&self, open_delta: i64, idle_delta: i64) {
        self.gauge(|gauges| {
            gauges.pool_open += open_delta;
            gauges.pool_idle += idle_delta;
        });
    }

    /// The task of a connection panicked.
    pub fn panic(&self) {
        self.core.tally.borrow_mut().panics += 1;
    }

    /// The share of its time that the worker was busy, 0 to 1.
    pub fn busy(&self, ratio: f64) {
        let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 };
        self.gauge(|gauges| gauges.busy_ratio = ratio);
    }

    /// Pours everything into the totals. Never waits: while a scrape reads them, the counts stay for the next time.
    pub fn flush(&self) {
        if let Some(mut totals) = self.core.totals.try_lock() {
            self.core.pour(&mut totals);
        }
    }

    fn count(&self, route: Option<usize>, change: impl FnOnce(&mut RouteTally)) {
        let routes = self.routes.borrow();
        let cell = route.and_then(|index| routes.get(index)).unwrap_or(&self.core.none);
        change(&mut cell.tally.borrow_mut());
        self.core.mark(cell);
    }

    fn event(&self, event: Event) {
        self.core.tally.borrow_mut().events.add(event, 1);
    }

    fn gauge(&self, change: impl FnOnce(&mut WorkerGauges)) {
        let mut gauges = self.core.gauges.get();
        change(&mut gauges);
        self.core.gauges.set(gauges);
    }
}

impl Core {
    fn mark(&self, cell: &Rc<RouteCell>) {
        if !cell.is_dirty.replace(true) {
            self.dirty.borrow_mut().push(cell.clone());
        }
    }

    fn pour(&self, totals: &mut super::totals::Totals) {
        for cell in self.dirty.borrow_mut().drain(..) {
            cell.is_dirty.set(false);
            let hold = totals.pour_route(&cell.name, &mut cell.tally.borrow_mut());
            cell.hold.replace(Some(hold));
        }
        totals.pour_worker(&mut self.tally.borrow_mut());
        totals.workers.insert(self.index, self.gauges.get());
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let totals = self.totals.clone();
        let mut totals = totals.lock();
        self.pour(&mut totals);
        totals.workers.remove(&self.index);
    }
}
