//! Every limit: what it cuts, what it lets through, and that log and metrics call it by its name.

mod connections;
mod crowds;
mod descriptors;
mod size;
mod slow;
mod time;

use serde_json::{Value, json};

use crate::harness::vallum::{HOST, and, clear, public_route};
use crate::harness::{Upstream, Vallum};

/// One worker, one public route to `upstream`, with `settings`.
fn limited(upstream: &Upstream, settings: Value) -> Vallum {
    Vallum::start(and(and(clear(json!([public_route(HOST, json!(upstream.url()))])), json!({"workers": 1})), settings))
}

/// Waits until the metrics and a request's log line name `limit`.
#[track_caller]
fn told(vallum: &Vallum, limit: &str) {
    vallum.wait_for_metric("vallum_limits_total", &[("limit", limit)], 1.0);
    vallum.wait_for_log(&[("message", json!("http-request")), ("response-code-details", json!(limit))]);
}
