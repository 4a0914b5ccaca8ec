//! The listener for people who typed no `https`: `http_redirect_addr`.
//!
//! Every request for a host of ours is sent to the same host and path over TLS; every other one gets 404. Nothing that
//! the client said stands in an answer before it was brought to its normal form and recognised.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::plain::{self, Bounds};
use crate::http::authority::{self, Authority};
use crate::http::path;
use crate::link::feed::Feed;
use crate::plan::Plan;

/// What the listener lets happen to it.
pub const BOUNDS: Bounds = Bounds {
    name: "redirect",
    connections_max: 1024,
    head: Duration::from_secs(10),
    head_bytes_max: 32 * 1024,
    life: Duration::from_secs(60),
};
/// The port that http means, and that a client need not name.
const HTTP_PORT: u16 = 80;
/// The port that https means.
const HTTPS_PORT: u16 = 443;

/// Serves redirects by the plan of the moment, until the future is dropped. `main_port` is that of the main listener.
pub async fn serve(listener: TcpListener, feed: Feed, main_port: u16) -> Infallible {
    let probe = || async { "OK\n" };
    let router = Router::new().route("/ping", get(probe)).route("/healthz", get(probe)).fallback(redirect);
    plain::serve(listener, router.with_state((feed, main_port)), BOUNDS).await
}

async fn redirect(State((feed, main_port)): State<(Feed, u16)>, request: Request<axum::body::Body>) -> Response {
    let plan = feed.current();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.as_bytes(),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    match location(&plan, main_port, request.uri(), host) {
        Ok(location) => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response(),
        Err(status) => status.into_response(),
    }
}

/// The same place over TLS; else the status that says why there is none.
fn location(plan: &Plan, main_port: u16, uri: &Uri, host: &[u8]) -> Result<String, StatusCode> {
    let asked = authority::parse(host).map_err(|_| StatusCode::BAD_REQUEST)?;
    if let Some(named) = uri.authority() {
        let named = authority::parse(named.as_str().as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        if !named.agrees_with(&asked, HTTP_PORT) {
            return Err(StatusCode::BAD_REQUEST);
        }
    }
    let port = port(plan, main_port, &asked).ok_or(StatusCode::NOT_FOUND)?;
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let path = path::normalize(path.as_bytes(), &plan.path_rules).map_err(|_| StatusCode::BAD_REQUEST)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if !path::query_is_clean(query.as_bytes()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let authority = Authority { host: asked.host, port: Some(port).filter(|port| *port != HTTPS_PORT) };
    Ok(format!("https://{authority}{}{query}", path.as_str()))
}

/// The port on which the host is served over TLS; `None` for a host that is not ours. That is the route's own port; else
/// the usual one, unless the client came by an unusual one itself: then nothing stands between it and our listeners.
fn port(plan: &Plan, main_port: u16, asked: &Authority<'_>) -> Option<u16> {
    let of_route = match plan.routes.port_of(&asked.host) {
        Some(port) => port,
        None if plan.identity.is_authenticate_host(&asked.host) => {
            plan.identity.authenticate.as_ref().and_then(url::Url::port)
        }
        None => return None,
    };
    Some(of_route.unwrap_or(match asked.port {
        None | Some(HTTP_PORT) => HTTPS_PORT,
        Some(_) => main_port,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config;

    fn plan() -> Plan {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let route = |from: &str| {
            format!("  - {{from: '{from}', response: {{status: 200}}, allow_public_unauthenticated_access: true}}\n")
        };
        let froms = ["https://a.example", "https://b.example:9443", "https://*.wild.example", "https://[::1]"];
        let routes: String = froms.iter().map(|from| route(from)).collect();
        let text = format!(
            "authenticate_service_url: https://auth.example\nidp_provider: oidc\n\
             idp_provider_url: https://idp.example\nidp_client_id: c\nidp_client_secret: s\nroutes:\n{routes}"
        );
        std::fs::write(&file, text).unwrap();
        config::load(Some(&file), &Default::default(), 1).unwrap_or_else(|p| panic!("{p:?}")).plan
    }

    #[test]
    fn known_hosts_are_sent_to_the_same_place_over_tls() {
        let plan = plan();
        for (host, target, expected) in [
            ("a.example", "/x?y=z", "https://a.example/x?y=z"),
            ("A.Example.:80", "/", "https://a.example/"),
            ("a.example:8080", "/", "https://a.example:8443/"),
            ("b.example", "/", "https://b.example:9443/"),
            ("b.example:8080", "/", "https://b.example:9443/"),
            ("x.wild.example", "/a/../b", "https://x.wild.example/b"),
            ("auth.example", "/", "https://auth.example/"),
            ("[::1]", "/", "https://[::1]/"),
            ("a.example", "http://a.example/x", "https://a.example/x"),
            ("a.example", "http://a.example:80", "https://a.example/"),
        ] {
            assert_eq!(
                location(&plan, 8443, &target.parse().unwrap(), host.as_bytes()).as_deref(),
                Ok(expected),
                "{host}"
            );
        }
    }

    #[test]
    fn nothing_else_is_sent_anywhere() {
        let plan = plan();
        for (host, target, status) in [
            ("evil.example", "/", StatusCode::NOT_FOUND),
            ("a.example.evil.example", "/", StatusCode::NOT_FOUND),
            ("wild.example", "/", StatusCode::NOT_FOUND),
            ("user@a.example", "/", StatusCode::BAD_REQUEST),
            ("a.example/", "/", StatusCode::BAD_REQUEST),
            ("", "/", StatusCode::BAD_REQUEST),
            ("a.example", "http://evil.example/", StatusCode::BAD_REQUEST),
            ("evil.example", "http://a.example/", StatusCode::BAD_REQUEST),
            ("a.example", "/%2f", StatusCode::BAD_REQUEST),
            ("a.example", "/%0d%0aX:%20y", StatusCode::BAD_REQUEST),
            ("a.example", "*", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(
                location(&plan, 8443, &target.parse().unwrap(), host.as_bytes()),
                Err(status),
                "{host} {target}"
            );
        }
    }
}
