//! The set-up page: an appliance without a configuration asks for one on the network, guarded by a token that stands on
//! its console.
//!
//! The page is served over TLS with a certificate made on the spot, whose fingerprint stands beside the token. A
//! configuration is judged as `vallum validate` does and stored only when it is valid.

mod page;
mod tls;
mod token;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::config::{self, Environment, render};
use super::plain::{self, Bounds, Secured};

pub use tls::Identity;
use token::Verdict;
pub use token::{TRIES_MAX, Token};

/// What the page lets happen to it.
pub const BOUNDS: Bounds = Bounds {
    name: "set-up",
    connections_max: 32,
    head: Duration::from_secs(10),
    head_bytes_max: 16 * 1024,
    life: Duration::from_secs(300),
};
/// Largest form, in bytes.
pub const FORM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The name of the configuration in its report.
const SENT: &str = "config.yaml";

/// What the page works with.
pub struct Setup {
    pub token: Token,
    /// What a configuration is checked against.
    pub environment: Environment,
    /// Valid configurations go here; the first one that is stored ends the set-up.
    pub accepted: mpsc::Sender<Accepted>,
}

/// A valid configuration, to be stored.
pub struct Accepted {
    pub text: String,
    /// Whether it was stored; else why not.
    pub stored: oneshot::Sender<Result<(), String>>,
}

/// Serves the page until the future is dropped.
pub async fn serve(listener: TcpListener, identity: &Identity, setup: Arc<Setup>) -> Infallible {
    plain::serve(Secured::new(listener, identity.acceptor()), router(setup), BOUNDS).await
}

fn router(setup: Arc<Setup>) -> Router {
    Router::new()
        .route("/", get(show).post(submit))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(setup)
}

#[derive(Deserialize)]
struct Submitted {
    token: String,
    configuration: String,
}

async fn show() -> Response {
    answer(StatusCode::OK, page::form("", None))
}

/// The token says who may, and that they meant it: no other site knows it.
async fn submit(State(setup): State<Arc<Setup>>, Form(submitted): Form<Submitted>) -> Response {
    let Submitted { token, configuration } = submitted;
    match setup.token.check(&token) {
        Verdict::Right => {}
        Verdict::Wrong { left } => {
            tracing::warn!(left, "a wrong set-up token was given");
            let why = format!("That is not the token on the console. Tries left: {left}.");
            return answer(StatusCode::FORBIDDEN, page::form(&configuration, Some(&page::Problem::Token(why))));
        }
        Verdict::Closed => return answer(StatusCode::FORBIDDEN, page::closed()),
    }
    let (text, environment) = (configuration.clone(), setup.environment.clone());
    // It reads the files that the text names.
    let judged = tokio::task::spawn_blocking(move || config::load_text(&text, Path::new(SENT), &environment, 1));
    match judged.await {
        Ok(Ok(_)) => store(&setup, configuration).await,
        Ok(Err(problems)) => {
            let mut report = String::new();
            // Writing to a string does not fail.
            let _ = render::text(&problems.list, false, &mut report);
            let problem = page::Problem::Report(report);
            answer(StatusCode::UNPROCESSABLE_ENTITY, page::form(&configuration, Some(&problem)))
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn store(setup: &Setup, text: String) -> Response {
    let (stored, outcome) = oneshot::channel();
    let outcome = match setup.accepted.try_send(Accepted { text: text.clone(), stored }) {
        Ok(()) => outcome.await.unwrap_or_else(|_| Err("the process is stopping".to_owned())),
        Err(_) => Err("another configuration is being stored".to_owned()),
    };
    match outcome {
        Ok(()) => answer(StatusCode::OK, page::done()),
        Err(why) => answer(StatusCode::INTERNAL_SERVER_ERROR, page::form(&text, Some(&page::Problem::Store(why)))),
    }
}

fn answer(status: StatusCode, page: maud::Markup) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, crate::http::page::CONTENT_SECURITY_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, fields, page.into_string()).into_response()
}

#[cfg(test)]
mod tests;
