//! The image verbs: what can be asked of an appliance as a whole. Elsewhere there is no image to speak of.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{Office, document, failure};

/// One thing to ask of the appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Which slots there are, and which one runs.
    Status,
    /// Fetch, verify and write the next version to the other slot.
    Upgrade,
    /// Start from the other slot next time.
    Rollback,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceError {
    #[error("this is not an appliance: Vallum runs on a system that others keep up to date")]
    NotAnAppliance,
}

/// The one place that knows whether there is an image, and does what the verb says.
pub fn ask(verb: Verb) -> Result<Value, ApplianceError> {
    match verb {
        Verb::Status | Verb::Upgrade | Verb::Rollback => Err(ApplianceError::NotAnAppliance),
    }
}

pub(super) async fn status(State(_): State<Arc<Office>>) -> Response {
    answer(Verb::Status)
}

pub(super) async fn perform(State(_): State<Arc<Office>>, Path(verb): Path<String>) -> Response {
    match verb.as_str() {
        "upgrade" => answer(Verb::Upgrade),
        "rollback" => answer(Verb::Rollback),
        _ => failure(StatusCode::NOT_FOUND, "an image can be asked to `upgrade` or to `rollback`"),
    }
}

fn answer(verb: Verb) -> Response {
    match ask(verb) {
        Ok(value) => document(StatusCode::OK, &value),
        Err(error @ ApplianceError::NotAnAppliance) => failure(StatusCode::NOT_IMPLEMENTED, &error.to_string()),
    }
}
