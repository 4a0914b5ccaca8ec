//! Chooses the route: once. Its identity is carried in the exchange from here on and never looked up again.

use super::client_certificate;
use super::exchange::Exchange;
use super::failure::Failure;
use crate::plan::route::{Action, Found};

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `/ping`, `/healthz`: answered at once, on every host.
    Ping,
    /// One of our own pages.
    Portal,
    /// The route of `exchange.route()`, to its upstream.
    Upstream,
    /// The route of `exchange.route()`, which answers by itself.
    Answer,
}

/// Finds the way and sets `exchange.route_index` when it is a route's.
pub fn find(exchange: &mut Exchange) -> Result<Way, Failure> {
    let path = exchange.path();
    if matches!(path, "/ping" | "/healthz") {
        return Ok(Way::Ping);
    }
    let plan = &exchange.plan;
    let port = exchange.authority().port;
    let is_authenticate = plan.identity.is_authenticate_host(exchange.host());
    if is_authenticate {
        return if client_certificate::fits(exchange) { Ok(Way::Portal) } else { Err(Failure::Misdirected) };
    }
    match plan.routes.find(exchange.host(), port, path) {
        Found::NoHost => Err(Failure::NoHost),
        _ if !client_certificate::fits(exchange) => Err(Failure::Misdirected),
        _ if plan.identity.is_own_page(path) => Ok(Way::Portal),
        Found::NoPath => Err(Failure::NoPath),
        Found::Route(route) => {
            let way = match route.action {
                Action::Forward(_) => Way::Upstream,
                Action::Redirect(_) | Action::Respond(_) => Way::Answer,
            };
            exchange.route_index = Some(route.index);
            Ok(way)
        }
    }
}
