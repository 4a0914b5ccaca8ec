//! The metrics server: `GET /metrics` on `metrics_address`, for Prometheus and nobody else.
//!
//! Bounded like everything that faces a network: connections, the size and time of a request's head, the age of a
//! connection, and how many scrapes are made at the same time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::telemetry::metrics::Catalogue;

/// Most connections at the same time; further ones wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// Longest time for the head of a request, counted from the end of the one before.
pub const HEAD_SECONDS_MAX: u64 = 30;
/// Longest life of a connection; scrapers connect again.
pub const CONNECTION_SECONDS_MAX: u64 = 600;
/// Largest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most scrapes that are made at the same time; further ones wait.
pub const SCRAPES_MAX: usize = 2;
/// Pause after a failed accept (no descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let router = router(catalogue, before);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed, so there is always a place to wait for.
        let Ok(place) = places.clone().acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                connections.spawn(async move {
                    answer(stream, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the metrics listener could not accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn router(catalogue: Arc<Catalogue>, before: BeforeScrape) -> Router {
    let turns = Arc::new(Semaphore::new(SCRAPES_MAX));
    Router::new().route("/metrics", get(scrape)).with_state(Scraping { catalogue, before, turns })
}

async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // How a scraper's connection ends is its own affair.
    let _ = tokio::time::timeout(Duration::from_secs(CONNECTION_SECONDS_MAX), connection).await;
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
            ask(address, &format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD_BYTES_MAX))).await;
        assert!(big.starts_with("HTTP/1.1 431 "), "{big}");
        assert_eq!(hooks.load(Ordering::Relaxed), 2);
        server.abort();
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_taken_again() {
        let (address, server) = started(Arc::new(|| {})).await;
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        drop(silent);
        let got = ask(address, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
        server.abort();
    }
}
