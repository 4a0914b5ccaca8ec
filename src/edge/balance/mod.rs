//! Which endpoint is next: weighted round robin, passing over endpoints that are down.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::plan::cluster::{Endpoint, Endpoints};
use crate::plan::route::Route;

/// Where each route's round stands on this worker.
pub struct Turns {
    next: RefCell<Vec<Cell<usize>>>,
    /// Workers start at different places, so that few requests are spread as well as many.
    start: usize,
}

impl Turns {
    pub fn new(worker: usize) -> Self {
        Turns { next: RefCell::default(), start: worker }
    }

    /// Makes room for the routes of a new plan.
    pub fn adopt(&self, routes: usize) {
        self.next.borrow_mut().resize_with(routes, || Cell::new(self.start));
    }

    fn take(&self, route: usize) -> usize {
        let mut next = self.next.borrow_mut();
        if next.len() <= route {
            next.resize_with(route + 1, || Cell::new(self.start));
        }
        let turn = next[route].get();
        next[route].set(turn.wrapping_add(1));
        turn
    }
}

/// The endpoint for a request: the next one that is up and not in `tried`; when all are down, the next not in `tried`
/// (they may be back); `None` when every endpoint was tried.
pub fn pick(
    turns: &Turns,
    route: &Route,
    endpoints: &Endpoints,
    tried: &[Arc<Endpoint>],
    now_ms: u64,
) -> Option<Arc<Endpoint>> {
    let turn = turns.take(route.index);
    let fresh = |endpoint: &&Arc<Endpoint>| !tried.iter().any(|t| Arc::ptr_eq(t, endpoint));
    let round = || (0..endpoints.turns()).filter_map(|step| endpoints.at(turn.wrapping_add(step)));
    round().filter(fresh).find(|endpoint| endpoint.is_up(now_ms)).or_else(|| round().find(fresh)).cloned()
}
