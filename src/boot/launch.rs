//! Puts the planes together: binds, starts the control plane, starts the workers, waits for the end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tracing::level_filters::LevelFilter;

use super::reload::Reloading;
use super::signals::Signals;
use super::workers::{self, Shared, Workers};
use super::{report, systemd};
use crate::control::config::{Loaded, Reloader};
use crate::control::dev::{self, Prepared};
use crate::control::{admin, dns, identity, redirect};
use crate::edge::gate::Gate;
use crate::edge::tls::Tls;
use crate::link;
use crate::link::feed::Feed;
use crate::net::{descriptors, driver};
use crate::telemetry::logging::{self, Format, Level};
use crate::telemetry::metrics::Catalogue;

/// Threads of the control plane's runtime.
const CONTROL_THREADS: usize = 1;
/// Most threads for its blocking work (file system, name lookups).
const CONTROL_BLOCKING_THREADS_MAX: usize = 4;

/// `vallum run`.
pub fn run(config: Option<&Path>, format: Format) -> ExitCode {
    serve(config, format, None)
}

/// Loads the configuration and serves it until told to stop; `dev` is served beside it.
pub fn serve(config: Option<&Path>, format: Format, dev: Option<Prepared>) -> ExitCode {
    let (reloader, loaded) = match Reloader::start(config, report::environment()) {
        Ok(started) => started,
        Err(problems) => return report::refuse(&problems.list),
    };
    let guard = logging::init(level(loaded.log_level), format);
    let code = match launch(reloader, loaded, dev) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot go on");
            eprintln!("vallum: {error:#}");
            ExitCode::FAILURE
        }
    };
    drop(guard);
    code
}

fn launch(reloader: Reloader, loaded: Loaded, dev: Option<Prepared>) -> anyhow::Result<()> {
    report::warn(&loaded.warnings);
    let listener = loaded.plan.listener.clone();
    let driver = choose_driver();
    let descriptors = raise_descriptors();
    let listeners = workers::bind(listener.address, listener.workers)?;
    let address = listeners.first().map_or(Ok(listener.address), std::net::TcpListener::local_addr)?;
    let metrics = Catalogue::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .max_blocking_threads(CONTROL_BLOCKING_THREADS_MAX)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control plane")?;
    let _inside = runtime.enter();
    // Before anybody can know that we run: a SIGHUP sent at once must not end the process.
    let signals = Signals::listen().context("cannot receive signals")?;
    let resolver = runtime.block_on(start_resolver(&loaded, &metrics))?;
    metrics.config_adopted(loaded.plan.generation, loaded.plan.checksum);
    let (edge, control) = link::door(Arc::new(loaded.plan));
    if let Some(address) = listener.metrics {
        let (resolver, feed) = (resolver.clone(), control.feed.clone());
        let endpoints = Arc::new(move || resolver.report(&feed.current()));
        runtime.block_on(serve_metrics(address, metrics.clone(), endpoints))?;
    }
    let feed = control.feed.clone();
    if let Some(redirect) = listener.redirect {
        runtime.block_on(serve_redirects(redirect, feed.clone(), address.port()))?;
    }
    identity::spawn(control.desk, control.portal, control.revocations);
    runtime.spawn(resolver.clone().keep_fresh(feed.clone()));
    if let Some(prepared) = dev {
        let feed = feed.clone();
        let keys: dev::KeySource = Arc::new(move || feed.current().identity.signer.jwks().clone());
        runtime.spawn(async move {
            if let Err(error) = dev::serve(prepared, keys).await {
                tracing::error!(error = %error, "development services ended");
            }
        });
    }
    let tls = Arc::new(Tls::new(edge.feed.clone())?);
    let gate = Arc::new(Gate::new(descriptors));
    let shared = Shared { driver, tls, door: edge, metrics: metrics.clone(), gate };
    let workers = Workers::start(listeners, &shared)?;
    runtime.spawn(Reloading { reloader, feed, metrics, resolver }.attend(signals, workers.stopper()));
    announce(address, &listener, driver.name());
    let result = workers.wait();
    // Tasks of the control plane hold nothing that must be written out; they end with the process.
    runtime.shutdown_background();
    tracing::info!("stopped");
    result
}

fn choose_driver() -> driver::Driver {
    let (driver, reason) = driver::probe();
    match reason {
        None => tracing::info!(driver = driver.name(), "data plane driver chosen"),
        Some(reason) => {
            tracing::warn!(driver = driver.name(), reason, "data plane driver chosen: io_uring is not available")
        }
    }
    driver
}

/// Takes as many descriptors as the system allows: each connection needs one, and mostly a second to its endpoint.
fn raise_descriptors() -> u64 {
    match descriptors::raise_limit() {
        Ok(limit) => tracing::info!(limit, "descriptors"),
        Err(error) => {
            tracing::warn!(error = %error, limit = descriptors::limit(), "the limit of descriptors stays as it is")
        }
    }
    descriptors::limit()
}

async fn start_resolver(loaded: &Loaded, metrics: &Arc<Catalogue>) -> anyhow::Result<dns::Resolver> {
    let resolver = dns::Resolver::new(metrics.clone()).context("cannot set up name resolution")?;
    resolver.resolve(&loaded.plan).await;
    Ok(resolver)
}

async fn serve_metrics(
    address: SocketAddr,
    metrics: Arc<Catalogue>,
    before: admin::BeforeScrape,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on metrics_address {address}"))?;
    tracing::info!(listener = "metrics", address = %listener.local_addr()?, "listening");
    tokio::spawn(async move { admin::serve(listener, metrics, before).await });
    Ok(())
}

async fn serve_redirects(address: SocketAddr, feed: Feed, main_port: u16) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| match address.port() {
        1..1024 => {
            format!("cannot listen on http_redirect_addr {address} (ports below 1024 need CAP_NET_BIND_SERVICE)")
        }
        _ => format!("cannot listen on http_redirect_addr {address}"),
    })?;
    tracing::info!(listener = "redirect", address = %listener.local_addr()?, "listening");
    tokio::spawn(async move { redirect::serve(listener, feed, main_port).await });
    Ok(())
}

fn announce(address: SocketAddr, listener: &crate::plan::listener::Listener, driver: &str) {
    tracing::info!(
        listener = "main",
        address = %address,
        tls = !listener.insecure,
        proxy_protocol = listener.proxy_protocol.is_some(),
        workers = listener.workers,
        driver,
        "listening"
    );
    systemd::ready(&format!("listening on {address}"));
}

/// The log level of a configuration.
pub fn level(filter: LevelFilter) -> Level {
    match filter {
        LevelFilter::TRACE => Level::Trace,
        LevelFilter::DEBUG => Level::Debug,
        LevelFilter::INFO => Level::Info,
        LevelFilter::WARN => Level::Warn,
        LevelFilter::ERROR => Level::Error,
        _ => Level::Off,
    }
}
