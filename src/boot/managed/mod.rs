//! `vallum run --managed`: the service finds its configuration by itself, where systemd and the appliance put it.

use std::path::{Path, PathBuf};

/// The configuration's name among the credentials.
const CREDENTIAL: &str = "vallum.yaml";
/// Where a distribution's operator keeps it.
const SYSTEM: &str = "/etc/vallum/vallum.yaml";

/// Every place where the configuration may be, the one that counts most first.
fn places(credentials: Option<&Path>) -> Vec<PathBuf> {
    credentials.map(|folder| folder.join(CREDENTIAL)).into_iter().chain([PathBuf::from(SYSTEM)]).collect()
}

/// The configuration to serve; else where it was looked for.
pub fn find() -> Result<PathBuf, Vec<PathBuf>> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let places = places(credentials.as_deref());
    places.iter().find(|place| place.is_file()).cloned().ok_or(places)
}
