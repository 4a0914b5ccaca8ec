//! From addresses to the endpoints of a cluster.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::plan::cluster::{Cluster, Endpoint, Endpoints, SCHEDULE_TURNS_MAX, Target};

/// Brings a cluster's endpoints in line with what its targets resolve to. Endpoints that stay are the same objects, so
/// that they keep what workers know about them; a cluster that names only addresses is left alone.
pub(super) fn fill<'a>(cluster: &Cluster, addresses_of: impl Fn(&str) -> &'a [IpAddr]) {
    if cluster.targets.iter().all(|target| target.literal().is_some()) {
        return;
    }
    let present = cluster.endpoints.load();
    let wanted: Vec<Arc<Endpoint>> = cluster
        .targets
        .iter()
        .flat_map(|target| {
            let literal = target.literal();
            let addresses = match &literal {
                Some(address) => std::slice::from_ref(address),
                None => addresses_of(&target.host),
            };
            addresses.iter().map(|address| endpoint(target, *address, &present)).collect::<Vec<_>>()
        })
        .take(SCHEDULE_TURNS_MAX)
        .collect();
    let is_same = wanted.len() == present.len() && wanted.iter().zip(present.iter()).all(|(a, b)| Arc::ptr_eq(a, b));
    if !is_same {
        cluster.endpoints.store(Arc::new(Endpoints::new(wanted)));
    }
}

/// The endpoint of a target at an address: the present one where there is one.
fn endpoint(target: &Target, address: IpAddr, present: &Endpoints) -> Arc<Endpoint> {
    let wanted = Endpoint::new(
        SocketAddr::new(address, target.port),
        &target.authority(),
        target.verified_name(),
        target.weight,
    );
    let same = present.iter().find(|endpoint| {
        endpoint.address == wanted.address
            && endpoint.authority == wanted.authority
            && endpoint.server_name == wanted.server_name
            && endpoint.weight == wanted.weight
    });
    same.cloned().unwrap_or_else(|| Arc::new(wanted))
}
