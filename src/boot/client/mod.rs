//! The other end of the admin API: verbs of the command line that ask a running process, here or elsewhere.

mod ask;
mod image;
mod show;
mod transport;
mod verbs;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use super::cli::{Ask, Health, Remote, Validate};
use ask::{Asking, ClientError};
use transport::Target;

/// The process that was asked could not be reached (or did not answer in its terms).
const UNREACHABLE: u8 = 4;

/// Where the health port is unless the configuration says otherwise.
const HEALTH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 28080);

/// Asks what the command line asks: 0 done or healthy, 1 not, 4 nobody answered.
pub fn run(remote: &Remote, ask: &Ask) -> ExitCode {
    end(Target::choose(remote).and_then(|target| Asking::new(target)?.verb(ask)))
}

/// What the process behind a local socket says of itself; `None` when there is none.
pub fn status(socket: &Path) -> Option<serde_json::Value> {
    let asking = Asking::new(Target::Local(socket.to_owned())).ok()?;
    Some(asking.ask(hyper::Method::GET, "/v1/status", bytes::Bytes::new()).ok()?.1)
}

/// Whether the process of this machine says that it is ready: by its health port, or by its local socket.
pub fn is_ready() -> bool {
    let ready = |target| Asking::new(target)?.ready();
    [Target::Plain(HEALTH), Target::usual()].into_iter().any(|target| ready(target).unwrap_or(false))
}

/// `vallum health`: by the health port, or by the admin API where one is named.
pub fn health(remote: &Remote, wanted: &Health) -> ExitCode {
    let target = if remote.is_given() { Target::choose(remote) } else { Ok(Target::Plain(wanted.address)) };
    end(target.and_then(|target| Asking::new(target)?.health(wanted)))
}

/// `vallum validate` of a local file by the process elsewhere.
pub fn validate(remote: &Remote, wanted: &Validate) -> ExitCode {
    end(Target::choose(remote).and_then(|target| Asking::new(target)?.validate(wanted)))
}

fn end(outcome: Result<bool, ClientError>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error @ ClientError::File(..)) => {
            eprintln!("vallum: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("vallum: {error}");
            ExitCode::from(UNREACHABLE)
        }
    }
}
