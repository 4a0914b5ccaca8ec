//! What is: the process, its health, its routes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{Office, appliance, document};
use crate::control::health::probes;
use crate::plan::route::{Action, PathRule, Route};
use crate::telemetry::build::{REVISION, VERSION};

/// The process in a few lines.
pub(super) async fn status(State(office): State<Arc<Office>>) -> Response {
    let configuration = office.health.configuration();
    let refused = configuration.refused.map(|refused| json!({ "at": unix(refused.at), "why": refused.why }));
    document(
        StatusCode::OK,
        &json!({
            "version": VERSION,
            "revision": REVISION,
            "pid": std::process::id(),
            "uptime_seconds": office.about.started.elapsed().as_secs(),
            "phase": office.health.phase(),
            "address": office.about.address,
            "driver": office.about.driver,
            "workers": office.about.workers,
            "stuck_workers": office.health.stuck(),
            "configuration": office.about.configuration,
            "generation": configuration.generation,
            // A number of 64 bits is not safe in every reader of JSON.
            "checksum": format!("{:016x}", configuration.checksum),
            "routes": office.feed.current().routes.iter().count(),
            "last_error": refused,
            "last_update": appliance::last(&office.appliance),
        }),
    )
}

/// The checks, as the health port tells them.
pub(super) async fn health(State(office): State<Arc<Office>>) -> Response {
    document(StatusCode::OK, &probes::document(&office.health.checks()))
}

/// Every route, and the endpoints behind it as they are known now.
pub(super) async fn routes(State(office): State<Arc<Office>>) -> Response {
    let plan = office.feed.current();
    let routes: Vec<Value> = plan.routes.iter().map(|one| route(one)).collect();
    document(StatusCode::OK, &json!({ "generation": plan.generation, "routes": routes }))
}

fn route(route: &Route) -> Value {
    let path = match &route.path {
        PathRule::All => json!({}),
        PathRule::Prefix(prefix) => json!({ "prefix": prefix }),
        PathRule::Exact(path) => json!({ "path": path }),
        PathRule::Regex(regex) => json!({ "regex": regex.as_str() }),
    };
    json!({
        "name": route.name,
        "from": route.from.url,
        "match": path,
        "public": !route.asks_who(),
        "action": action(&route.action),
        "endpoints": route.action.cluster().map(|cluster| {
            let endpoints = cluster.endpoints.load();
            endpoints
                .iter()
                .map(|endpoint| json!({ "address": endpoint.address.to_string(), "weight": endpoint.weight }))
                .collect::<Vec<_>>()
        }),
    })
}

fn action(action: &Action) -> Value {
    match action.cluster() {
        Some(cluster) => json!({
            "to": cluster.targets.iter().map(|target| {
                format!("{}://{}", if target.tls { "https" } else { "http" }, target.authority())
            }).collect::<Vec<_>>(),
        }),
        None => json!("answered here"),
    }
}

fn unix(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
