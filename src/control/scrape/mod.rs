//! The metrics server: `GET /metrics` on `metrics_address`, for Prometheus and nobody else.
//!
//! Bounded like everything that faces a network, and by how many scrapes are made at the same time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::plain::{self, Bounds};
use crate::telemetry::metrics::Catalogue;

/// What the server lets happen to it. Scrapers whose connection is too old connect again.
pub const BOUNDS: Bounds = Bounds {
    name: "metrics",
    connections_max: 64,
    head: Duration::from_secs(30),
    head_bytes_max: 16 * 1024,
    life: Duration::from_secs(600),
};
/// Most scrapes that are made at the same time; further ones wait.
pub const SCRAPES_MAX: usize = 2;

/// What runs before each scrape, to bring values up to date that nobody pushes.
pub type BeforeScrape = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Scraping {
    catalogue: Arc<Catalogue>,
    before: BeforeScrape,
    turns: Arc<Semaphore>,
}

/// Serves scrapes until the future is dropped; then open connections close too.
pub async fn serve(listener: TcpListener, catalogue: Arc<Catalogue>, before: BeforeScrape) -> Infallible {
    plain::serve(listener, router(catalogue, before), BOUNDS).await
}

fn router(catalogue: Arc<Catalogue>, before: BeforeScrape) -> Router {
    let turns = Arc::new(Semaphore::new(SCRAPES_MAX));
    Router::new().route("/metrics", get(scrape)).with_state(Scraping { catalogue, before, turns })
}

async fn scrape(State(scraping): State<Scraping>) -> Response {
    let _turn = scraping.turns.acquire().await;
    (scraping.before)();
    match scraping.catalogue.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn started(before: BeforeScrape) -> (std::net::SocketAddr, tokio::task::JoinHandle<Infallible>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, Catalogue::new(), before)))
    }

    async fn ask(address: std::net::SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_and_nothing_else() {
        let hooks = Arc::new(AtomicU64::new(0));
        let counted = hooks.clone();
        let (address, server) = started(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }))
        .await;
        let end = "HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let got = ask(address, &format!("GET /metrics {end}")).await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
        assert!(got.contains("content-type: text/plain; version=0.0.4"), "{got}");
        assert!(got.contains("\nvallum_build_info{"), "{got}");
        let head = ask(address, &format!("HEAD /metrics?x=1 {end}")).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(hooks.load(Ordering::Relaxed), 2);
        for (line, status) in
            [("POST /metrics", "405"), ("GET /", "404"), ("GET /metrics/", "404"), ("GET //metrics", "404")]
        {
            let got = ask(address, &format!("{line} {end}")).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {got}");
        }
        let big =
            ask(address, &format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(2 * BOUNDS.head_bytes_max)))
                .await;
        assert!(big.starts_with("HTTP/1.1 431 "), "{big}");
        assert_eq!(hooks.load(Ordering::Relaxed), 2);
        server.abort();
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_taken_again() {
        let (address, server) = started(Arc::new(|| {})).await;
        let mut silent = Vec::new();
        for _ in 0..2 * BOUNDS.connections_max {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        drop(silent);
        let got = ask(address, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
        server.abort();
    }
}
