//! What one client, and all of them together, may take.

use super::super::section::{Desk, Opt};
use super::super::sections::listener::Limits as Section;
use crate::plan::limits::{CONNECTIONS_MAX, Limits};

pub(super) fn limits(section: &Section, desk: &Desk) -> Limits {
    let default = Limits::default();
    let cap = |opt: &Opt<u64>, default: usize| match opt.as_ref().map(|typed| typed.value) {
        None => default,
        Some(0) => CONNECTIONS_MAX as usize,
        Some(count) => count as usize,
    };
    let limits = Limits {
        connections: cap(&section.connections, default.connections),
        connections_per_source: cap(&section.connections_per_source, default.connections_per_source),
    };
    if let Some(typed) = &section.connections_per_source
        && typed.value as usize > limits.connections
    {
        let message = "`max_connections_per_source` is above `max_connections` and has no effect";
        desk.problems.add(typed.warning(message));
    }
    limits
}

/// Largest request body: as typed, where 0 means no limit, else the `default`.
pub(super) fn request_body(opt: &Opt<u64>, default: Option<u64>) -> Option<u64> {
    opt.as_ref().map_or(default, |typed| (typed.value > 0).then_some(typed.value))
}
