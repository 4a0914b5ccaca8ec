//! A managed service without a configuration: serves the set-up page until it is given one, then ends, to be started with
//! it.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::console_line::{self, Priority};
use super::folders::Folders;
use super::launch::control_runtime;
use super::managed::import;
use super::managed::last_good::replace;
use super::signals::{Signal, Signals};
use super::sockets::{self, Sockets};
use super::{report, sandbox, systemd};
use crate::control::config;
use crate::control::health::{Health, probes};
use crate::control::setup::{self, Accepted, Identity, Setup, Token};
use crate::link::board::Board;
use crate::net::interfaces;
use crate::telemetry::logging::{self, Format, Level};

/// Where `vallum console` finds what opens the page, in the runtime folder; this user and root may read it.
pub const NOTE: &str = "setup";
/// Largest note, in bytes.
const NOTE_BYTES_MAX: u64 = 64 * 1024;
/// An address to which nothing is sent: what would be its source is how the network sees this machine (RFC 5737).
const FAR: &str = "192.0.2.1:9";
/// How long an address is waited for, and how often it is looked for.
const ADDRESS_WAIT_MAX: Duration = Duration::from_secs(10);
const ADDRESS_PAUSE: Duration = Duration::from_millis(250);

/// What opens the page, for the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// As the network saw this machine when the page opened; the console looks again.
    pub address: IpAddr,
    pub port: u16,
    pub token: String,
    /// SHA-256 of the page's certificate, in pairs of digits.
    pub fingerprint: String,
    /// Why there is no configuration, when there should be one.
    pub error: Option<String>,
}

impl Waiting {
    /// The note, while the set-up waits.
    pub fn read(note: &Path) -> Option<Waiting> {
        let mut text = String::new();
        File::open(note).ok()?.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Serves the page; `error` says why there is no configuration when there should be one. 0: a configuration is stored, and the service manager starts the service with it; or it was stopped.
pub fn run(state: &Path, folders: &Folders, format: Format, error: Option<String>) -> ExitCode {
    // Addresses may come from the environment.
    let loaded = match config::load(None, &report::environment(), 1) {
        Ok(loaded) => loaded,
        Err(problems) => return report::refuse(&problems.list),
    };
    let sockets = sockets::open(&loaded.plan.listener, folders);
    let sandbox = sandbox::enter(&folders.writable());
    let guard = logging::init(Level::Info, format);
    sandbox.tell();
    let code = report::ended(sockets.and_then(|sockets| serve(sockets, state, folders, error)));
    drop(guard);
    code
}

fn serve(sockets: Sockets, state: &Path, folders: &Folders, error: Option<String>) -> anyhow::Result<()> {
    sockets.settle();
    // There is nothing to ask yet, and who connects shall see that at once.
    drop(sockets.admin);
    let runtime = control_runtime()?;
    let _inside = runtime.enter();
    let mut signals = Signals::listen().context("cannot receive signals")?;
    let address = reachable(sockets.main.address()?);
    let identity = Arc::new(Identity::make(&[address.ip()])?);
    let (accepted, inbox) = mpsc::channel(1);
    let setup = Arc::new(Setup { token: Token::random(), environment: report::environment(), accepted });
    if let Some(group) = sockets.health {
        // It lives and is not ready: nobody shall send clients here.
        let health = Arc::new(Health::new(Board::new(0)));
        let listener = group.into_async()?;
        runtime.spawn(async move { probes::serve(listener, health).await });
    }
    for socket in sockets.main.listeners {
        socket.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let (identity, setup) = (identity.clone(), setup.clone());
        runtime.spawn(async move { setup::serve(listener, &identity, setup).await });
    }
    let waiting = Waiting {
        address: address.ip(),
        port: address.port(),
        token: setup.token.shown(),
        fingerprint: identity.fingerprint.clone(),
        error,
    };
    tell(address, &waiting, folders);
    runtime.block_on(async {
        tokio::select! {
            () = store_one(inbox, state) => tracing::info!("a configuration was stored; the set-up ends"),
            () = stopped(&mut signals) => {}
            () = feed() => {}
        }
    });
    systemd::stopping();
    runtime.shutdown_timeout(LINGER);
    Ok(())
}

/// How long the last answer may take to leave.
const LINGER: Duration = Duration::from_secs(1);

/// Says on the console where the page is and what opens it. The token goes nowhere else: not into the log.
fn tell(address: SocketAddr, waiting: &Waiting, folders: &Folders) {
    if let Some(error) = &waiting.error {
        console_line::say(Priority::Error, &format!("there should be a configuration: {error}"));
    }
    let Waiting { token, fingerprint, .. } = waiting;
    let text =
        format!("no configuration; open https://{address}/ with the token {token} (certificate SHA-256 {fingerprint})");
    console_line::say(Priority::Notice, &text);
    if let Some(runtime) = &folders.runtime
        && let Err(error) = keep(&runtime.join(NOTE), waiting)
    {
        tracing::warn!(%error, "the console cannot be told the token");
    }
    tracing::info!(listener = "set-up", %address, "listening");
    systemd::ready(&format!("no configuration; waiting for one at https://{address}/"));
}

fn keep(note: &Path, waiting: &Waiting) -> std::io::Result<()> {
    replace(note, serde_json::to_string(waiting)?.as_bytes())
}

/// Waits for a configuration that can be stored, and a little more for its answer to leave.
async fn store_one(mut inbox: mpsc::Receiver<Accepted>, state: &Path) {
    while let Some(Accepted { text, stored }) = inbox.recv().await {
        let outcome = import::store(state, &text).map_err(|error| error.to_string());
        let is_stored = outcome.is_ok();
        if let Err(error) = &outcome {
            tracing::error!(error, "the configuration could not be stored");
        }
        let _ = stored.send(outcome);
        if is_stored {
            tokio::time::sleep(LINGER).await;
            return;
        }
    }
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// Feeds the watchdog, when there is one, for as long as this thread goes on.
async fn feed() {
    let pause = sd_notify::watchdog_enabled().map(|limit| limit / 4);
    loop {
        match pause {
            Some(pause) => {
                systemd::watchdog();
                tokio::time::sleep(pause).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The address to type: where the listener takes any, the one by which this machine reaches others. A machine that has just
/// started may have none yet, and is given a moment to get one.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let until = Instant::now() + ADDRESS_WAIT_MAX;
    loop {
        let own = own_address();
        if own.is_some() || Instant::now() > until {
            return SocketAddr::new(own.unwrap_or(IpAddr::from([127, 0, 0, 1])), address.port());
        }
        std::thread::sleep(ADDRESS_PAUSE);
    }
}

/// The source of what would be sent far away, else any address of this machine.
fn own_address() -> Option<IpAddr> {
    let source = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect(FAR)?;
        socket.local_addr()
    });
    source.map(|own| own.ip()).ok().or_else(|| interfaces::addresses().ok()?.first().copied())
}
