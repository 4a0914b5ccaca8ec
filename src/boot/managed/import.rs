//! `vallum import-config`: takes the configuration from a config disk (or a folder) into the state folder.

use std::path::Path;
use std::process::ExitCode;

use super::last_good::replace;
use super::{NAME, USER_DATA, stored};
use crate::boot::{cli, report};
use crate::control::config;

/// Judges the configuration that lies in a folder as `vallum.yaml` or, in NoCloud's layout, as `user-data`, and stores
/// it where `vallum run --managed` finds it. A bad one is reported and not stored.
pub fn run(wanted: &cli::Import) -> ExitCode {
    let found = [NAME, USER_DATA].map(|name| wanted.folder.join(name)).into_iter().find(|file| file.is_file());
    let Some(file) = found else {
        eprintln!("vallum: there is neither {NAME} nor {USER_DATA} in {}", wanted.folder.display());
        return ExitCode::FAILURE;
    };
    let loaded = match config::load(Some(&file), &report::environment(), 1) {
        Ok(loaded) => loaded,
        Err(problems) => return report::refuse(&problems.list),
    };
    report::print(&loaded.warnings);
    match store(&wanted.state_dir, loaded.text.as_deref().unwrap_or_default()) {
        Ok(()) => {
            println!("{}: stored in {}", file.display(), wanted.state_dir.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vallum: cannot store it in {}: {error}", wanted.state_dir.display());
            ExitCode::FAILURE
        }
    }
}

/// Stores a configuration for this user alone.
pub fn store(state: &Path, text: &str) -> std::io::Result<()> {
    replace(&stored(state), text.as_bytes())
}
