//! What the process is told to do: read its configuration again, judge another one.

use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Office, RELOAD_TIMEOUT, ReloadRequest, document, failure};
use crate::control::config::{self, Problem, render};

/// The name of a configuration that came by the API, in its report.
const SENT: &str = "config.yaml";

/// Reads the configuration again, as SIGHUP does, and says what came of it: 200 adopted, 422 refused.
pub(super) async fn reload(State(office): State<Arc<Office>>) -> Response {
    let (answer, reloaded) = oneshot::channel();
    if office.reloads.try_send(ReloadRequest { answer }).is_err() {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "too many reloads are waiting, or the process is stopping");
    }
    match tokio::time::timeout(RELOAD_TIMEOUT, reloaded).await {
        Ok(Ok(reloaded)) => {
            let status = if reloaded.adopted { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            let mut answer = report(&reloaded.problems);
            answer["adopted"] = json!(reloaded.adopted);
            answer["generation"] = json!(reloaded.generation);
            document(status, &answer)
        }
        Ok(Err(_)) => failure(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping"),
        Err(_) => failure(StatusCode::GATEWAY_TIMEOUT, "the reload takes too long; see the log for its end"),
    }
}

/// Judges the configuration in the body without adopting it: 200 valid, 422 not.
pub(super) async fn validate(State(office): State<Arc<Office>>, body: Bytes) -> Response {
    let Ok(text) = String::from_utf8(body.into()) else {
        return failure(StatusCode::BAD_REQUEST, "the configuration is not UTF-8 text");
    };
    // It reads the files that the text names.
    let judged = tokio::task::spawn_blocking(move || {
        config::load_text(&text, Path::new(SENT), &office.environment, 1).map_err(|problems| problems.list)
    });
    match judged.await {
        Ok(Ok(loaded)) => verdict(true, &loaded.warnings),
        Ok(Err(problems)) => verdict(false, &problems),
        Err(_) => failure(StatusCode::INTERNAL_SERVER_ERROR, "the check failed; please report this configuration"),
    }
}

fn verdict(valid: bool, problems: &[Problem]) -> Response {
    let mut answer = report(problems);
    answer["valid"] = json!(valid);
    document(if valid { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &answer)
}

/// The problems as data, and as the text that a person gets to read.
fn report(problems: &[Problem]) -> Value {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = render::text(problems, false, &mut text);
    let mut report = render::json(problems);
    report["report"] = json!(text);
    report
}
