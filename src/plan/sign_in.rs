//! Where somebody who is not signed in is sent.

use url::Url;

use super::Plan;

/// Stub.
pub fn location(_plan: &Plan, visited: &Url, _now: i64) -> Url {
    visited.clone()
}
