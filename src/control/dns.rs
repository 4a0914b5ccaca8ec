//! Stub.
use crate::link::feed::Feed;
use crate::plan::Plan;
use crate::telemetry::metrics::Catalogue;
use std::sync::Arc;
#[derive(Clone)]
pub struct Resolver {}
impl Resolver {
    pub fn new(_metrics: Arc<Catalogue>) -> anyhow::Result<Self> {
        Ok(Resolver {})
    }
    pub async fn resolve(&self, _plan: &Plan) {}
    pub async fn keep_fresh(self, _feed: Feed) {}
}
