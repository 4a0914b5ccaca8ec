//! Limits on one request, as routes set them.

use super::exchange::Exchange;
use super::failure::Failure;
use crate::http::framing::BodyLength;
use crate::plan::route::Route;

/// The name of the limit that `timeout_write` sets: each part of an answer, at most 64 KiB, must be taken within it.
pub const WRITE_TIMEOUT: &str = "response_write_timeout";
/// The name of the limit that `timeout_ping` sets.
pub const PING_TIMEOUT: &str = "upstream_ping_timeout";

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
