//! `vallum dev`: everything that a first visit needs and that an ordinary installation brings itself.
//!
//! [`prepare`] makes a state directory (secrets, local CA, certificate), binds the helpers' ports and writes an
//! ordinary configuration file; the caller runs that file as `vallum run` would, beside [`serve`], which holds the
//! development OpenID provider and the `verify` upstream. Nothing here listens beyond loopback.

mod banner;
mod certificates;
mod guard;
mod keys;
mod people;
mod ports;
mod provider;
mod site;
mod state;
mod template;
mod verify;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

pub use site::Site;

use provider::Provider;
use state::StateDir;
use verify::Upstream;

/// Where `vallum dev` listens unless told otherwise: loopback, port 8443.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);

/// What `vallum dev` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The listener of the proxy; loopback only. Port 0 takes any free port. The helpers (identity provider, `verify`
    /// upstream, metrics) prefer the three ports after it and fall back to free ones.
    pub address: SocketAddr,
    /// The directory of secrets and certificates; made when missing, else it must be ours or empty.
    pub state_dir: PathBuf,
}

/// Gives the JWK set that verifies today's assertions (`plan.identity.signer.jwks()`, asked anew for every page).
pub type KeySource = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// Everything is made and bound; nothing answers yet. Holds the state directory's lock until dropped.
pub struct Prepared {
    /// The configuration file to run.
    pub config_file: PathBuf,
    /// The absolute state directory.
    pub state_dir: PathBuf,
    /// The CA to trust, PEM.
    pub ca_file: PathBuf,
    /// The address of the proxy's listener, its port resolved.
    pub address: SocketAddr,
    /// The address of the Prometheus listener.
    pub metrics_address: SocketAddr,
    /// The public names and URLs.
    pub site: Site,
    /// The development identity provider's socket, listening.
    pub provider_listener: TcpListener,
    /// The `verify` upstream's socket, listening.
    pub verify_listener: TcpListener,
    ca_name: String,
    provider: Provider,
    reserved: Vec<socket2::Socket>,
    state: StateDir,
}

/// Why `vallum dev` cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    #[error(
        "{0} is not a loopback address: `vallum dev` has an identity provider without passwords and listens on loopback only (127.0.0.1 or [::1])"
    )]
    NotLoopback(SocketAddr),
    #[error("the state directory {path}: {cause}")]
    Directory { path: PathBuf, cause: String },
    #[error("{path} is not empty and was not made by `vallum dev`; choose another state directory")]
    Foreign { path: PathBuf },
    #[error("another `vallum dev` runs in {path}; stop it or choose another state directory")]
    Locked { path: PathBuf },
    #[error("{path} {what}; {remedy}")]
    Corrupt { path: PathBuf, what: String, remedy: String },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot listen on {address}: {source}; free the port or choose another with --address")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot make {what}: {cause}")]
    Make { what: &'static str, cause: String },
    #[error("the {0} stopped: {1}")]
    Serve(&'static str, io::Error),
}

/// Makes or re-uses the state directory, binds the helpers' ports and writes `vallum.dev.yaml`.
///
/// # Errors
/// Every [`DevError`] but `Serve`; nothing listens after an error, and the files made so far are re-used next time.
pub fn prepare(options: &Options) -> Result<Prepared, DevError> {
    if !options.address.ip().is_loopback() {
        return Err(DevError::NotLoopback(options.address));
    }
    let state = StateDir::open(&options.state_dir)?;
    let keys = keys::load_or_make(&state)?;
    let certificates = certificates::load_or_make(&state, time::OffsetDateTime::now_utc())?;
    let ports = ports::bind(options.address)?;
    let site = Site::new(ports.address.port());
    let issuer = ports.provider_url()?;
    let config_file = state.file(template::FILE);
    let provider = Provider::new(site, issuer, keys.client, &keys.provider_key)?;
    let text = template::render(&template::Values {
        address: ports.address,
        metrics: ports.metrics,
        site,
        issuer: provider.issuer(),
        upstream: &ports.verify_url()?,
        client_id: provider.client_id(),
        state: &state,
    });
    state.write(template::FILE, &text, state::OPEN_MODE)?;
    Ok(Prepared {
        config_file,
        state_dir: state.path().to_owned(),
        ca_file: state.file(certificates::CA_FILE),
        address: ports.address,
        metrics_address: ports.metrics,
        site,
        provider_listener: ports.provider,
        verify_listener: ports.verify,
        ca_name: certificates.ca_name,
        provider,
        reserved: ports.reserved,
        state,
    })
}

/// Answers as the development identity provider and as the `verify` upstream until dropped. Runs on a tokio runtime.
///
/// # Errors
/// [`DevError::Serve`] when a socket cannot be handed to the runtime.
pub async fn serve(prepared: Prepared, keys: KeySource) -> Result<(), DevError> {
    let Prepared { provider_listener, verify_listener, provider, site, reserved, state, .. } = prepared;
    let upstream = Upstream::new(site, provider.issuer().to_owned(), keys);
    let provider = answer("development identity provider", provider_listener, provider.router());
    let upstream = answer("verify upstream", verify_listener, upstream.router());
    let outcome = tokio::try_join!(provider, upstream);
    // The ports and the directory stay ours for as long as anything answers.
    drop((reserved, state));
    outcome.map(|_| ())
}

async fn answer(name: &'static str, listener: TcpListener, router: axum::Router) -> Result<(), DevError> {
    let failed = |error| DevError::Serve(name, error);
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    axum::serve(listener, router).await.map_err(failed)
}

#[cfg(test)]
mod tests;
