//! The last lines of the log, and those to come.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use serde::Deserialize;

use super::{Office, failure};
use crate::telemetry::logging::{Excerpt, Ring};

/// Lines without being asked for a number.
const LINES: usize = 200;
/// Most lines that may be asked for.
const LINES_MAX: usize = 5_000;
/// Chunks that may wait for a reader; one who is slower loses lines, and the log goes on.
const CHUNKS_MAX: usize = 4;

#[derive(Deserialize)]
pub(super) struct Wanted {
    lines: Option<usize>,
    #[serde(default)]
    follow: bool,
}

/// Text, one line each; with `follow` it does not end.
pub(super) async fn logs(State(office): State<Arc<Office>>, Query(wanted): Query<Wanted>) -> Response {
    let lines = wanted.lines.unwrap_or(LINES);
    if lines > LINES_MAX {
        return failure(StatusCode::BAD_REQUEST, &format!("at most {LINES_MAX} lines, {lines} were asked for"));
    }
    let last = office.log.last(lines);
    let body = if wanted.follow {
        let (sender, body) = Channel::<Bytes>::new(CHUNKS_MAX);
        tokio::spawn(follow(office.log.clone(), last, sender));
        Body::new(body)
    } else {
        Body::from(text(&last))
    };
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// Sends lines until the reader goes away.
async fn follow(log: Ring, mut some: Excerpt, mut sender: Sender<Bytes>) {
    let mut changes = log.changes();
    loop {
        if !some.lines.is_empty() && sender.send_data(text(&some)).await.is_err() {
            return;
        }
        let next = some.next;
        // The log outlives this task; it ends with the reader, whose channel closes.
        if changes.wait_for(|written| *written > next).await.is_err() {
            return;
        }
        some = log.since(next);
    }
}

fn text(some: &Excerpt) -> Bytes {
    let mut text = String::with_capacity(some.lines.iter().map(|line| line.len() + 1).sum());
    for line in &some.lines {
        text.push_str(line);
        text.push('\n');
    }
    Bytes::from(text)
}
