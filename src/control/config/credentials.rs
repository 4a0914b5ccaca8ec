//! Credentials of the service manager (systemd's `LoadCredential=`): secrets that stand in no configuration.
//!
//! A credential `vallum.KEY` serves as the file of the key when the configuration gives neither the key nor its file:
//! `vallum.shared_secret` for `shared_secret_file`. A `_file` key may also name any credential by its bare name.

use std::path::{Path, PathBuf};

use super::catalogue::{self, State};
use super::layers::Environment;
use super::problem::Spot;
use super::text::tree::{Entry, Tree};

/// Where the service manager puts them.
pub(super) const VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Ours are called so.
const PREFIX: &str = "vallum.";

/// The folder of the credentials, when there is one.
pub(super) fn folder(env: &Environment) -> Option<PathBuf> {
    env.get(VARIABLE).map(PathBuf::from).filter(|folder| folder.is_absolute())
}

/// Adds the file of each credential whose key nobody gave.
pub(super) fn overlay(mut entries: Vec<Entry>, env: &Environment) -> Vec<Entry> {
    let Some(folder) = folder(env) else { return entries };
    for key in catalogue::global().filter(|key| matches!(key.state, State::Used)) {
        let Some(plain) = key.name.strip_suffix("_file") else { continue };
        let is_given = entries.iter().any(|e| [key.name, plain].iter().any(|name| e.key.eq_ignore_ascii_case(name)));
        let file = folder.join(format!("{PREFIX}{plain}"));
        if let (false, true, Some(path)) = (is_given, file.is_file(), file.to_str()) {
            let spot = Spot::variable(VARIABLE);
            entries.push(Entry { key: key.name.to_owned(), spot: spot.clone(), value: Tree::text(path, spot) });
        }
    }
    entries
}

/// The credential that a bare name in a `_file` key stands for.
pub(super) fn named(folder: Option<&Path>, path: &str) -> Option<PathBuf> {
    let is_bare = !path.is_empty() && !path.contains('/') && path != "." && path != "..";
    folder.filter(|_| is_bare).map(|folder| folder.join(path)).filter(|file| file.is_file())
}
