//! Which of the fields behind a body may go on: what a route sets, removes or vouches for in a head is none to follow a
//! body either.

use super::exchange::Exchange;
use super::upstream::request;
use crate::http::fields::{self, FieldKind};
use crate::http::trailers::Trailers;
use crate::plan::route::Route;

/// Whose trailers they are, and for whom.
#[derive(Clone, Copy)]
pub enum Allowed<'a> {
    /// The client's, for the upstream.
    Request { exchange: &'a Exchange, route: &'a Route },
    /// The upstream's, for the client.
    Response { exchange: &'a Exchange, route: &'a Route, client_is_h2: bool },
}

impl Allowed<'_> {
    /// What is left of `trailers`, if anything is.
    pub fn filter(self, mut trailers: Box<Trailers>) -> Option<Box<Trailers>> {
        match self {
            Allowed::Request { exchange, route } => {
                trailers.retain(|name| request::is_clients_own(exchange, route, name));
            }
            Allowed::Response { exchange, client_is_h2: false, .. } if !takes_trailers(exchange) => return None,
            Allowed::Response { route, .. } => {
                let is_set = |name: &[u8]| {
                    route.response_headers.iter().any(|(set, _)| fields::folds_alike(name, set.as_bytes()))
                };
                trailers.retain(|name| !is_set(name));
            }
        }
        (!trailers.is_empty()).then_some(trailers)
    }
}

/// Whether the client said `TE: trailers` (RFC 9110 section 10.1.4), without which nobody sends it any over HTTP/1.1.
pub fn takes_trailers(exchange: &Exchange) -> bool {
    let mut codings = exchange.head.all(FieldKind::Te).flat_map(fields::connection_options);
    codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}
