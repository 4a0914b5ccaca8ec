//! `vallum dev`: everything on this machine, in one command.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{cli, launch};
use crate::control::dev::{self, Options};
use crate::telemetry::logging::Format;

/// Prepares the state directory and serves it as `vallum run` would.
pub fn run(wanted: &cli::Dev, format: Format) -> ExitCode {
    let options =
        Options { address: wanted.address, state_dir: wanted.state_dir.clone().unwrap_or_else(default_state_dir) };
    let prepared = match dev::prepare(&options) {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("vallum dev: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", prepared.banner());
    let file = prepared.config_file.clone();
    launch::serve_file(Some(&file), format, Some(prepared))
}

/// `$XDG_STATE_HOME/vallum/dev`, else `~/.local/state/vallum/dev`, else `.vallum-dev` here.
fn default_state_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from(".vallum-dev"), |state| state.join("vallum/dev"))
}
