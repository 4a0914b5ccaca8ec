//! What came of the last update, left in the keeper's folder for the service to read.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::UpdateError;
use crate::boot::console_line::{self, Priority};
use crate::boot::folders::Folders;
use crate::control::admin::appliance::outcome::{self, Outcome};

/// Where the units keep the socket.
const FOLDER: &str = "/run/vallum-image";
/// Longest reason that is noted, in characters.
const REASON_MAX: usize = 500;

/// The keeper's own folder.
pub fn folder() -> PathBuf {
    Folders::of_environment().runtime.unwrap_or_else(|| FOLDER.into())
}

/// What was noted last.
pub fn last(folder: &Path) -> Value {
    serde_json::to_value(outcome::read(folder)).unwrap_or_default()
}

/// Notes what came of an update; that it cannot be noted is no reason to undo it.
pub fn write(folder: &Path, version: Option<String>, error: Option<&UpdateError>) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let reason =
        |error: &UpdateError| error.to_string().replace(char::is_control, " ").chars().take(REASON_MAX).collect();
    let outcome = Outcome { at, version, error: error.map(reason) };
    if let Err(error) = replace(folder, &serde_json::json!(outcome).to_string()) {
        console_line::say(Priority::Error, &format!("image: the outcome cannot be noted: {error}"));
    }
}

/// A whole file or none; everybody may read it.
fn replace(folder: &Path, text: &str) -> io::Result<()> {
    let (new, file) = (folder.join("last-update.new"), folder.join(outcome::FILE));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    io::Write::write_all(&mut options.open(&new)?, text.as_bytes())?;
    std::fs::rename(new, file)
}
