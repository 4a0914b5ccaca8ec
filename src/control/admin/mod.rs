//! The admin API: what an operator asks of a running process and tells it to do.
//!
//! It is served on a local socket that only this user and root may open, and over mutual TLS where the configuration names
//! the CA of its clients. Both are the same API: every verb works the same here and from afar. No answer holds a secret.

pub mod appliance;
mod commands;
mod describe;
mod logs;
pub mod mutual_tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use appliance::Appliance;

use super::config::{CONFIG_BYTES_MAX, Environment, Problem};
use super::health::Health;
use super::plain::{self, Bounds, Entrance};
use crate::link::feed::Feed;
use crate::telemetry::logging::Ring;

/// What the API lets happen to it. A connection may follow the log for a day.
pub const BOUNDS: Bounds = Bounds {
    name: "admin",
    connections_max: 32,
    head: Duration::from_secs(10),
    head_bytes_max: 16 * 1024,
    life: Duration::from_secs(24 * 3600),
};
/// Most reloads that may wait.
pub const RELOADS_MAX: usize = 4;
/// Longest wait for the end of a reload.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// What the API answers from.
pub struct Office {
    pub about: About,
    pub health: Arc<Health>,
    pub feed: Feed,
    pub log: Ring,
    pub reloads: mpsc::Sender<ReloadRequest>,
    /// What a configuration is checked against.
    pub environment: Environment,
    pub appliance: Appliance,
}

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub struct About {
    /// Where clients connect.
    pub address: String,
    pub driver: &'static str,
    pub workers: usize,
    /// Where the configuration comes from, for people.
    pub configuration: String,
    pub started: Instant,
}

/// Somebody wants the configuration to be read again.
pub struct ReloadRequest {
    pub answer: oneshot::Sender<Reloaded>,
}

/// What came of it.
#[derive(Debug)]
pub struct Reloaded {
    pub adopted: bool,
    /// The generation in force now.
    pub generation: u64,
    /// Warnings of what was adopted, or all problems of what was not.
    pub problems: Vec<Problem>,
}

/// Serves the API until the future is dropped.
pub async fn serve(entrance: impl Entrance, office: Arc<Office>) -> Infallible {
    plain::serve(entrance, router(office), BOUNDS).await
}

fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/v1/status", get(describe::status))
        .route("/v1/health", get(describe::health))
        .route("/v1/routes", get(describe::routes))
        .route("/v1/logs", get(logs::logs))
        .route("/v1/reload", post(commands::reload))
        .route("/v1/validate", post(commands::validate))
        .route("/v1/image", get(appliance::status))
        .route("/v1/image/{verb}", post(appliance::perform))
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "there is nothing of this name in the admin API") })
        .layer(DefaultBodyLimit::max(CONFIG_BYTES_MAX as usize))
        .with_state(office)
}

fn document(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value:#}\n")).into_response()
}

fn failure(status: StatusCode, error: &str) -> Response {
    document(status, &json!({ "error": error }))
}

#[cfg(test)]
mod tests;
