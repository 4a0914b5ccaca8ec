//! Puts the planes together: binds, starts the control plane, starts the workers, waits for the end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tracing::level_filters::LevelFilter;

use super::folders::Folders;
use super::ground::Ground;
use super::managed::Found;
use super::managed::keeping::Keeping;
use super::managed::start::{Beginning, start, without};
use super::reload::Reloading;
use super::signals::Signals;
use super::sockets::{self, Sockets};
use super::workers::{Shared, Workers};
use super::{cli, managed, report, sandbox, setup, systemd, watchdog};
use crate::control::admin::About;
use crate::control::config::Reloader;
use crate::control::dev::{self, Prepared};
use crate::control::health::Phase;
use crate::edge::gate::Gate;
use crate::edge::tls::Tls;
use crate::link::feed::Feed;
use crate::net::{descriptors, driver};
use crate::plan::listener::Listener;
use crate::telemetry::logging::{self, Format, Level, Ring};

/// Threads of the control plane's runtime.
const CONTROL_THREADS: usize = 1;
/// Most threads for its blocking work (file system, name lookups).
const CONTROL_BLOCKING_THREADS_MAX: usize = 4;

/// `vallum run`.
pub fn run(wanted: &cli::Run, format: Format) -> ExitCode {
    if !wanted.managed {
        return serve_file(wanted.config.as_deref(), format, None);
    }
    let folders = Folders::of_environment();
    match (managed::find(&folders), &folders.state) {
        (Found::File(file), _) => match start(&file, &folders) {
            Ok(beginning) => serve(beginning, format, None),
            Err(problems) => report::refuse(&problems.list),
        },
        (Found::Lost(file, why), Some(state)) => match without(&file, &why, &folders) {
            Ok(beginning) => serve(beginning, format, None),
            Err(_) => setup::run(state, &folders, format, Some(why)),
        },
        (Found::Lost(file, why), None) => {
            eprintln!("vallum: {}: {why}", file.display());
            report::nowhere(&[file])
        }
        (Found::Nothing(_), Some(state)) => setup::run(state, &folders, format, None),
        (Found::Nothing(places), None) => report::nowhere(&places),
    }
}

/// Loads the configuration of a file (or of the environment alone) and serves it until told to stop; `dev` is served
/// beside it.
pub fn serve_file(config: Option<&Path>, format: Format, dev: Option<Prepared>) -> ExitCode {
    match Reloader::start(config, report::environment()) {
        Ok((reloader, loaded)) => serve(Beginning { reloader, loaded, kept: None, refused: None }, format, dev),
        Err(problems) => report::refuse(&problems.list),
    }
}

fn serve(beginning: Beginning, format: Format, dev: Option<Prepared>) -> ExitCode {
    let loaded = &beginning.loaded;
    // Everything up to here and the next two lines happens on the only thread, which every later one takes after.
    let folders = Folders::of_environment();
    let sockets = sockets::open(&loaded.plan.listener, &folders);
    let sandbox = dev.is_none().then(|| sandbox::enter(&folders.writable()));
    let guard = logging::init(level(loaded.log_level), format);
    if let Some(sandbox) = sandbox {
        sandbox.tell();
    }
    let started = Started { beginning, log: guard.ring.clone(), dev };
    let code = report::ended(sockets.and_then(|sockets| launch(started, sockets)));
    drop(guard);
    code
}

/// What there is before the planes are.
struct Started {
    beginning: Beginning,
    log: Ring,
    dev: Option<Prepared>,
}

fn launch(started: Started, mut sockets: Sockets) -> anyhow::Result<()> {
    let Started { beginning, log, dev } = started;
    let Beginning { reloader, mut loaded, kept, refused } = beginning;
    let text = loaded.text.take();
    report::warn(&loaded.warnings);
    sockets.settle();
    let listener = loaded.plan.listener.clone();
    let driver = choose_driver();
    let gate = Gate::new(raise_descriptors());
    let runtime = control_runtime()?;
    let _inside = runtime.enter();
    // Before anybody can know that we run: a SIGHUP sent at once must not end the process.
    let signals = Signals::listen().context("cannot receive signals")?;
    let (ground, edge) = runtime.block_on(Ground::lay(loaded, sockets.main.address()?))?;
    ground.serve_besides(&mut sockets)?;
    if let Some(prepared) = dev {
        serve_development(prepared, ground.feed.clone());
    }
    let tls = Arc::new(Tls::new(edge.feed.clone())?);
    let shared = Shared { driver, tls, door: edge, metrics: ground.metrics.clone(), gate: Arc::new(gate) };
    let workers = Workers::start(listener.workers, &sockets.main.listeners, &shared)?;
    // The workers hold them now; one that is left open here would go on queueing clients while they drain.
    sockets.main.listeners.clear();
    runtime.spawn(watchdog::attend(ground.health.clone()));
    ground.health.enter(Phase::Running);
    let about = about(ground.address, driver, &listener, &reloader);
    let requests = ground.serve_operators(&mut sockets, about, log, listener.admin.as_ref())?;
    let Ground { address, metrics, resolver, health, feed, .. } = ground;
    let keeping = Keeping::begin(kept, text, refused, &metrics, &health)?;
    let reloading = Reloading { reloader, feed, metrics, resolver, health, keeping };
    runtime.spawn(reloading.attend(signals, requests, workers.stopper()));
    announce(address, &listener, driver.name());
    let result = workers.wait();
    // Tasks of the control plane hold nothing that must be written out; they end with the process.
    runtime.shutdown_background();
    tracing::info!("stopped");
    result
}

fn about(address: SocketAddr, driver: driver::Driver, listener: &Listener, reloader: &Reloader) -> About {
    About {
        address: address.to_string(),
        driver: driver.name(),
        workers: listener.workers,
        configuration: reloader.source(),
        started: Instant::now(),
    }
}

pub(super) fn control_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .max_blocking_threads(CONTROL_BLOCKING_THREADS_MAX)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control plane")
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

fn serve_development(prepared: Prepared, feed: Feed) {
    let keys: dev::KeySource = Arc::new(move || feed.current().identity.signer.jwks().clone());
    tokio::spawn(async move {
        if let Err(error) = dev::serve(prepared, keys).await {
            tracing::error!(error = %error, "development services ended");
        }
    });
}

fn announce(address: SocketAddr, listener: &Listener, driver: &str) {
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
