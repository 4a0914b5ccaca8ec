//! `vallum run --managed`: the service finds its configuration by itself, where systemd and the appliance put it, falls
//! back to the last good one, and without any asks for one by the set-up page.

pub mod disk;
pub mod import;
pub mod keeping;
pub mod last_good;
pub mod start;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::folders::Folders;

/// The configuration's name among the credentials and on a config disk.
const NAME: &str = "vallum.yaml";
/// A config disk's other layout: NoCloud, with our configuration as its user data.
const USER_DATA: &str = "user-data";
/// Where the appliance puts what a config disk held.
const DISK: &str = "/run/vallum-config";
/// Why there is none there though a disk was: one line.
const LOST: &str = "lost";
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

/// What there is to serve.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    File(PathBuf),
    /// A config disk was meant to hold it, at this place, and could not be read: why.
    Lost(PathBuf, String),
    /// Nothing, at any of these places.
    Nothing(Vec<PathBuf>),
}

/// Looks for the configuration to serve. What a config disk should have given is not replaced by what counts less.
pub fn find(folders: &Folders) -> Found {
    choose(places(folders), Path::new(DISK))
}

fn choose(places: Vec<PathBuf>, disk: &Path) -> Found {
    let lost = std::fs::read_to_string(disk.join(LOST)).ok();
    for place in &places {
        if place.is_file() {
            return Found::File(place.clone());
        }
        if let Some(why) = &lost
            && place.file_name() == Some(OsStr::new(USER_DATA))
            && place.starts_with(disk)
        {
            return Found::Lost(place.clone(), why.clone());
        }
    }
    Found::Nothing(places)
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
        assert_eq!(find(&folders), Found::File(credentials.path().join(NAME)));
    }

    #[test]
    fn a_lost_disk_gives_way_to_credentials_alone() {
        let (disk, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [credential, stored] = ["credential", "stored"].map(|name| other.path().join(name));
        let user_data = disk.path().join(USER_DATA);
        let places = vec![credential.clone(), disk.path().join(NAME), user_data.clone(), stored.clone()];
        std::fs::write(&stored, "").unwrap();
        assert_eq!(choose(places.clone(), disk.path()), Found::File(stored));
        std::fs::write(disk.path().join(LOST), "two disks").unwrap();
        assert_eq!(choose(places.clone(), disk.path()), Found::Lost(user_data, "two disks".to_owned()));
        std::fs::write(&credential, "").unwrap();
        assert_eq!(choose(places, disk.path()), Found::File(credential));
    }
}
