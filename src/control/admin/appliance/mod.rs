//! The image verbs: what can be asked of an appliance as a whole. Elsewhere there is no image to speak of.
//!
//! This process has no privilege and touches no disk: it hands the question through a local socket to the keeper of the
//! image (`boot::image`), which runs as root for as long as one answer takes.

pub mod door;
pub mod gauges;
pub mod outcome;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Office, document, failure};
use door::{Answer, Line, Request};
use outcome::Outcome;

/// Names the folder with the keeper's socket; the appliance's unit sets it, and nobody else does.
const FOLDER: &str = "VALLUM_IMAGE_KEEPER";
/// Lines that may wait for a slow reader.
const LINES_WAITING_MAX: usize = 16;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceError {
    #[error("this is not an appliance: Vallum runs on a system that others keep up to date")]
    NotAnAppliance,
    #[error("the keeper of the image at {path} cannot be asked: {1}", path = .0.display())]
    Unreachable(PathBuf, std::io::Error),
    #[error("the keeper of the image said nothing for {0} s")]
    Silent(u64),
    #[error("the keeper of the image broke off; its reason is in the journal, as far as it knew one")]
    BrokeOff,
    #[error(
        "the keeper of the image answered with what is no line of at most {} bytes in its language",
        door::LINE_BYTES_MAX
    )]
    Strange,
    /// In the keeper's words.
    #[error("{0}")]
    Refused(String),
}

/// The image that this process runs in, if any.
#[derive(Debug, Clone, Default)]
pub struct Appliance {
    folder: Option<PathBuf>,
}

impl Appliance {
    /// As the unit says.
    pub fn of_environment() -> Appliance {
        Appliance { folder: std::env::var_os(FOLDER).map(PathBuf::from).filter(|folder| folder.is_absolute()) }
    }

    /// What came of the last update; `None` when there was none since the machine started, or there is no image.
    pub fn outcome(&self) -> Option<Outcome> {
        outcome::read(self.folder.as_deref()?)
    }

    async fn ask(&self, request: &Request) -> Result<Answer, ApplianceError> {
        door::ask(self.folder.as_deref().ok_or(ApplianceError::NotAnAppliance)?, request).await
    }
}

pub(super) async fn status(State(office): State<Arc<Office>>) -> Response {
    whole(&office, Request::Status).await
}

pub(super) async fn perform(State(office): State<Arc<Office>>, Path(verb): Path<String>, body: Bytes) -> Response {
    match verb.as_str() {
        "upgrade" => match options(&body) {
            Ok(options) => step_by_step(&office, Request::Upgrade(options)).await,
            Err(error) => strange(&error),
        },
        "rollback" => match options(&body) {
            Ok(options) => whole(&office, Request::Rollback(options)).await,
            Err(error) => strange(&error),
        },
        _ => failure(StatusCode::NOT_FOUND, "an image can be asked to `upgrade` or to `rollback`"),
    }
}

/// The options in a body; an empty one leaves them as they are.
fn options<T: Default + DeserializeOwned>(body: &Bytes) -> serde_json::Result<T> {
    if body.is_empty() { Ok(T::default()) } else { serde_json::from_slice(body) }
}

fn strange(error: &serde_json::Error) -> Response {
    failure(StatusCode::BAD_REQUEST, &format!("the options are not what this verb takes: {error}"))
}

/// Answers once all is done.
async fn whole(office: &Office, request: Request) -> Response {
    let done = async { office.appliance.ask(&request).await?.done().await };
    match done.await {
        Ok(value) => document(StatusCode::OK, &value),
        Err(error) => failed(&error),
    }
}

/// Answers line by line (JSON, one a line): progress, and at last what came of it.
async fn step_by_step(office: &Office, request: Request) -> Response {
    match office.appliance.ask(&request).await {
        Ok(answer) => {
            let (sender, body) = Channel::<Bytes>::new(LINES_WAITING_MAX);
            tokio::spawn(pass_on(answer, sender));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(body)).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Passes lines on until the last one. A reader who goes away stops nothing: the keeper ends what it began.
async fn pass_on(mut answer: Answer, mut sender: Sender<Bytes>) {
    loop {
        let line = match answer.next().await {
            Ok(line) => line,
            Err(error) => Line::Failed(error.to_string()),
        };
        let is_last = !matches!(line, Line::Progress(_));
        if sender.send_data(line.text().into()).await.is_err() || is_last {
            return;
        }
    }
}

fn failed(error: &ApplianceError) -> Response {
    let status = match error {
        ApplianceError::NotAnAppliance => StatusCode::NOT_IMPLEMENTED,
        ApplianceError::Refused(_) => StatusCode::CONFLICT,
        ApplianceError::Silent(_) => StatusCode::GATEWAY_TIMEOUT,
        ApplianceError::Unreachable(..) => StatusCode::SERVICE_UNAVAILABLE,
        ApplianceError::BrokeOff | ApplianceError::Strange => StatusCode::BAD_GATEWAY,
    };
    failure(status, &error.to_string())
}

/// What came of the last update, for the process's own status.
pub(super) fn last(appliance: &Appliance) -> Value {
    serde_json::to_value(appliance.outcome()).unwrap_or_default()
}
