//! `vallum run --managed`: the service finds its configuration by itself, where systemd and the appliance put it, falls
//! back to the last good one, and without any asks for one by the set-up page.

pub mod import;
pub mod keeping;
pub mod last_good;
pub mod start;

use std::path::{Path, PathBuf};

use super::folders::Folders;

/// The configuration's name among the credentials and on a config disk.
const NAME: &str = "vallum.yaml";
/// A config disk's other layout: NoCloud, with our configuration as its user data.
const USER_DATA: &str = "user-data";
/// Where the appliance mounts a config disk.
const DISK: &str = "/run/vallum-config";
/// Where a distribution's operator keeps it.
const SYSTEM: &str = "/etc/vallum/vallum.yaml";
/// What the set-up page or `vallum import-config` stored, in the state folder.
const STORED: &str = "config.yaml";

/// Every place where the configuration may be, the one that counts most first.
fn places(folders: &Folders) -> Vec<PathBuf> {
    let credential = folders.credentials.as_ref().map(|folder| folder.join(NAME));
    let disk = [NAME, USER_DATA].map(|name| Path::new(DISK).join(name));
    let stored = folders.state.as_deref().map(stored);
    credential.into_iter().chain(disk).chain([PathBuf::from(SYSTEM)]).chain(stored).collect()
}

/// The configuration to serve; else where it was looked for.
pub fn find(folders: &Folders) -> Result<PathBuf, Vec<PathBuf>> {
    let places = places(folders);
    places.iter().find(|place| place.is_file()).cloned().ok_or(places)
}

/// Where a configuration is stored that came by the set-up page.
pub fn stored(state: &Path) -> PathBuf {
    state.join(STORED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_first_and_what_was_stored_last() {
        let (credentials, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = Folders {
            state: Some(state.path().to_owned()),
            credentials: Some(credentials.path().to_owned()),
            runtime: None,
        };
        let places = places(&folders);
        assert_eq!(places.first(), Some(&credentials.path().join(NAME)));
        assert_eq!(places.last(), Some(&state.path().join(STORED)));
        assert_eq!(places.len(), 5);
        std::fs::write(stored(state.path()), "").unwrap();
        std::fs::write(credentials.path().join(NAME), "").unwrap();
        assert_eq!(find(&folders), Ok(credentials.path().join(NAME)));
    }
}
