//! The plan, published by control and held by every worker through a cached pointer.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::plan::Plan;

/// The current plan. Publishing is atomic; a worker that holds the old plan finishes what it began with it.
#[derive(Clone)]
pub struct Feed(Arc<ArcSwap<Plan>>);

/// A worker's own cached view of the feed: reading it costs one relaxed comparison.
pub type Cached = arc_swap::Cache<Arc<ArcSwap<Plan>>, Arc<Plan>>;

impl Feed {
    pub fn new(plan: Arc<Plan>) -> Self {
        Feed(Arc::new(ArcSwap::new(plan)))
    }

    /// Replaces the plan for every worker.
    pub fn publish(&self, plan: Arc<Plan>) {
        self.0.store(plan);
    }

    /// The current plan.
    pub fn current(&self) -> Arc<Plan> {
        self.0.load_full()
    }

    pub fn cached(&self) -> Cached {
        arc_swap::Cache::new(self.0.clone())
    }
}
