//! The health port: `/startupz`, `/readyz`, `/healthz` and `/status`, as Pomerium serves them, on `health_check_addr`.
//!
//! The first three answer 200 or 503. Whether a person may sign in is none of their business: a provider or a store
//! that is away must not take the proxy out of service for those who are signed in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{Check, Health, Phase};
use crate::control::plain::{self, Bounds};

/// What the port lets happen to it. Load balancers and orchestrators connect anew for each probe.
pub const BOUNDS: Bounds = Bounds {
    name: "health",
    connections_max: 256,
    head: Duration::from_secs(10),
    head_bytes_max: 16 * 1024,
    life: Duration::from_secs(120),
};

/// Serves probes until the future is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> Infallible {
    plain::serve(listener, router(health), BOUNDS).await
}

/// The probes under Pomerium's names and the usual others.
pub fn router(health: Arc<Health>) -> Router {
    let mut router = Router::new().route("/status", get(status));
    for path in ["/startupz", "/startup"] {
        router = router.route(path, get(startup));
    }
    for path in ["/readyz", "/ready"] {
        router = router.route(path, get(ready));
    }
    for path in ["/healthz", "/livez", "/live"] {
        router = router.route(path, get(live));
    }
    router.with_state(health)
}

/// Every check as one JSON document; always 200.
async fn status(State(health): State<Arc<Health>>) -> Response {
    answer(StatusCode::OK, &document(&health.checks()))
}

/// Everything has been up once.
async fn startup(State(health): State<Arc<Health>>) -> Response {
    probe(&health, |check| check.status != Phase::Starting)
}

/// Everything is up, works, and will stay: send clients.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    probe(&health, |check| check.status == Phase::Running && check.error.is_none())
}

/// Everything works: do not restart.
async fn live(State(health): State<Arc<Health>>) -> Response {
    probe(&health, |check| check.status != Phase::Starting && check.error.is_none())
}

fn probe(health: &Health, passes: impl Fn(&Check) -> bool) -> Response {
    let checks = health.checks();
    let all = checks.iter().all(passes);
    answer(if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &document(&checks))
}

/// In the form of Pomerium's `/status`.
pub fn document(checks: &[Check]) -> Value {
    let statuses: Map<String, Value> = checks.iter().map(|check| (check.name.to_owned(), one(check))).collect();
    json!({ "statuses": statuses, "checks": checks.iter().map(|check| check.name).collect::<Vec<_>>() })
}

fn one(check: &Check) -> Value {
    let mut fields = Map::from_iter([("status".to_owned(), json!(check.status))]);
    fields.extend(check.error.iter().map(|error| ("error".to_owned(), json!(error))));
    if !check.attributes.is_empty() {
        let attributes: Map<String, Value> =
            check.attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        fields.insert("attributes".to_owned(), json!(attributes));
    }
    Value::Object(fields)
}

fn answer(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{document:#}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::board::Board;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    async fn codes(health: &Arc<Health>) -> [u16; 4] {
        let mut codes = [0; 4];
        for (code, path) in codes.iter_mut().zip(["/startupz", "/readyz", "/healthz", "/status"]) {
            let request = Request::get(path).body(Body::empty()).unwrap();
            *code = router(health.clone()).oneshot(request).await.unwrap().status().as_u16();
        }
        codes
    }

    #[tokio::test]
    async fn each_probe_in_each_phase() {
        let health = Arc::new(Health::new(Board::new(1)));
        assert_eq!(codes(&health).await, [503, 503, 503, 200]);
        health.enter(Phase::Running);
        assert_eq!(codes(&health).await, [503, 503, 503, 200], "no configuration yet");
        health.adopted(1, 7);
        assert_eq!(codes(&health).await, [200, 200, 200, 200]);
        health.refused("line 3: no".into());
        assert_eq!(codes(&health).await, [200, 200, 200, 200], "the old one runs");
        health.enter(Phase::Terminating);
        assert_eq!(codes(&health).await, [200, 503, 200, 200]);
    }

    #[test]
    fn the_document_is_pomeriums() {
        let health = Health::new(Board::new(1));
        health.enter(Phase::Running);
        health.adopted(4, 5);
        health.refused("line 3: no".into());
        let expected = json!({
            "statuses": {
                "proxy.service": {"status": "RUNNING"},
                "config.databroker.build": {
                    "status": "RUNNING",
                    "attributes": {"generation": "4", "checksum": "5", "refused": "line 3: no"},
                },
            },
            "checks": ["proxy.service", "config.databroker.build"],
        });
        assert_eq!(document(&health.checks()), expected);
        let stuck = Check { name: "x", status: Phase::Running, error: Some("worker 0".into()), attributes: Vec::new() };
        assert_eq!(document(&[stuck])["statuses"]["x"], json!({"status": "RUNNING", "error": "worker 0"}));
    }

    #[tokio::test]
    async fn other_methods_are_refused() {
        let health = Arc::new(Health::new(Board::new(1)));
        let request = Request::post("/status").body(Body::empty()).unwrap();
        assert_eq!(router(health).oneshot(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
