//! The addresses behind the names of upstreams.
//!
//! Control asks the system's name servers (`/etc/hosts` first) and puts the answers into the clusters of the plan;
//! workers never resolve. IPv4 is preferred, IPv6 taken where a name has nothing else (`V4_PREFERRED`, Pomerium's
//! default). An answer that cannot be renewed stays in use, and none may lead to link-local or metadata addresses.

mod answer;
mod endpoints;
mod servers;
mod table;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::net::NetError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::link::feed::Feed;
use crate::plan::Plan;
use crate::plan::cluster::Cluster;
use crate::telemetry::metrics::Catalogue;

use servers::Servers;
use table::Table;

/// Most names that are asked for at the same time.
pub const LOOKUPS_MAX: usize = 16;
/// Longest time that one name is waited for.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time of one round over all names that are due; what is left is done in the next.
pub const ROUND_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers are used at least this long, whatever their TTL.
pub const REFRESH_MIN: Duration = Duration::from_secs(5);
/// Answers are asked for again after this long, whatever their TTL.
pub const REFRESH_MAX: Duration = Duration::from_secs(300);
/// A name that could not be resolved is asked for again after this long.
pub const REFRESH_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Most addresses taken from one answer.
pub const ADDRESSES_PER_NAME_MAX: usize = 64;
/// How often [`Resolver::keep_fresh`] looks whether a name is due or a plan is new.
const TICK: Duration = Duration::from_secs(1);

/// Resolves the names of a plan and remembers the answers from plan to plan. Clones share what is known.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    servers: Servers,
    table: Table,
    catalogue: Arc<Catalogue>,
    /// When the resolver was made: close to the origin of the clock that workers mark endpoints down by, which is good
    /// enough for counting them.
    origin: Instant,
}

/// A route's name and its cluster.
type Upstream<'a> = (&'a str, &'a Cluster);

impl Resolver {
    /// A resolver with the system's configuration, which is read again when it changes. An unreadable configuration is
    /// no error: the hosts file still serves.
    pub fn new(catalogue: Arc<Catalogue>) -> Result<Resolver, NetError> {
        Ok(Resolver::with(Servers::system()?, catalogue))
    }

    fn with(servers: Servers, catalogue: Arc<Catalogue>) -> Resolver {
        Resolver(Arc::new(Shared { servers, table: Table::default(), catalogue, origin: Instant::now() }))
    }

    /// Fills the endpoints of every cluster whose targets are names: from what is known, and by asking for what is due.
    /// Takes [`ROUND_TIMEOUT`] at most. A name without an answer has no endpoints. To be called with a new plan before
    /// it is published; must run inside a tokio runtime.
    pub async fn resolve(&self, plan: &Plan) {
        let upstreams = upstreams(plan);
        self.refresh(&upstreams, Instant::now()).await;
        self.report(plan);
    }

    /// Keeps the endpoints of the published plan up to date, and their counts in the catalogue, for good.
    pub async fn keep_fresh(self, feed: Feed) -> Infallible {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let plan = feed.current();
            let upstreams = upstreams(&plan);
            if self.refresh(&upstreams, Instant::now()).await {
                self.0.table.forget_all_but(&names_of(&upstreams));
            }
            self.report(&plan);
        }
    }

    /// Tells the catalogue how many endpoints of each route are up and down now. Cheap enough for each scrape.
    pub fn report(&self, plan: &Plan) {
        let now_ms = self.0.origin.elapsed().as_millis() as u64;
        let upstreams = upstreams(plan);
        for (route, cluster) in &upstreams {
            let endpoints = cluster.endpoints.load();
            let up = endpoints.iter().filter(|endpoint| endpoint.is_up(now_ms)).count();
            self.0.catalogue.set_endpoints(route, up, endpoints.len() - up);
        }
        self.0.catalogue.keep_endpoints(upstreams.iter().map(|(route, _)| *route));
    }

    /// Asks for the names that are due at `now` and brings the clusters up to date; whether anything was asked.
    async fn refresh(&self, upstreams: &[Upstream<'_>], now: Instant) -> bool {
        let due = self.0.table.due(&names_of(upstreams), now);
        let asked = !due.is_empty();
        if asked {
            self.ask(due, now).await;
        }
        self.0.table.fill(upstreams);
        asked
    }

    async fn ask(&self, names: Vec<Box<str>>, now: Instant) {
        let servers = self.0.servers.current();
        let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
        let mut lookups = JoinSet::new();
        for name in names {
            let (servers, turns) = (servers.clone(), turns.clone());
            lookups.spawn(async move {
                let _turn = turns.acquire().await;
                let answer = answer::ask(&servers, &name).await;
                (name, answer)
            });
        }
        let all = async {
            while let Some(done) = lookups.join_next().await {
                if let Ok((name, answer)) = done {
                    self.0.table.learn(name, answer, now);
                }
            }
        };
        if tokio::time::timeout(ROUND_TIMEOUT, all).await.is_err() {
            tracing::warn!(names_left = lookups.len(), "not every upstream name could be asked for in time");
        }
    }
}

fn upstreams(plan: &Plan) -> Vec<Upstream<'_>> {
    plan.routes.iter().filter_map(|route| Some((&*route.name, &**route.action.cluster()?))).collect()
}

/// The distinct names among the targets.
fn names_of<'a>(upstreams: &[Upstream<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = upstreams
        .iter()
        .flat_map(|(_, cluster)| &cluster.targets)
        .filter(|target| target.literal().is_none())
        .map(|target| &*target.host)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
