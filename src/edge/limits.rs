//! Limits on one request, as routes set them.

use super::deadline::Deadline;
use super::exchange::Exchange;
use super::failure::Failure;
use super::pace::Pace;
use super::upstream::response::Response;
use crate::http::framing::BodyLength;
use crate::plan::route::Route;

/// The name of the limit that `timeout_write` sets: each part of an answer, at most 64 KiB, must be taken within it.
pub const WRITE_TIMEOUT: &str = "response_write_timeout";

/// The largest body that a request on this route may have, in bytes.
pub fn body_max(route: &Route) -> u64 {
    route.request_body_max.unwrap_or(u64::MAX)
}

/// Refuses a body whose announced length is too large, before any of it is read.
pub fn check_body(exchange: &Exchange, route: &Route) -> Result<(), Failure> {
    match exchange.normal.body {
        BodyLength::Fixed(length) if length > body_max(route) => Err(Failure::BodyTooLarge),
        _ => Ok(()),
    }
}

/// The request was sent whole, or as far as the endpoint takes it: its answer is due within `timeout`, and the first part of
/// it within `idle_timeout`.
pub fn answer_due(route: &Route, endpoint: &Deadline, now_ms: u64) {
    if let Some(timeout) = route.timeout {
        endpoint.set_total(now_ms + timeout.as_millis() as u64);
    }
    if let Some(idle) = route.idle_timeout {
        endpoint.set_read(now_ms + idle.as_millis() as u64);
    }
}

/// The head of the answer is here; its body may be silent for [`silence`].
pub fn answer_begun(route: &Route, response: &Response, endpoint: &Deadline) {
    endpoint.clear_read();
    if is_endless(route, response) {
        endpoint.clear_total();
    }
}

/// The request came to its end while its answer was flowing already: what is left of that is due within `timeout`.
pub fn total(route: &Route, response: &Response, endpoint: &Deadline, now_ms: u64) {
    if let Some(timeout) = route.timeout.filter(|_| !is_endless(route, response)) {
        endpoint.set_total(now_ms + timeout.as_millis() as u64);
    }
}

/// How long the endpoint may be silent within its answer.
pub fn silence(route: &Route) -> Option<Pace> {
    route.idle_timeout.map(Pace::of_silence)
}

/// An event stream has no end that a timeout of all routes could wait for.
fn is_endless(route: &Route, response: &Response) -> bool {
    response.is_event_stream && route.timeout_is_default
}
