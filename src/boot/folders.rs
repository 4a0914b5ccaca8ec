//! The folders that the service manager made for us (`StateDirectory=`, `RuntimeDirectory=`, `LoadCredential=`).

use std::path::PathBuf;

/// Where this process may keep things, and where it finds its credentials. Each is missing outside a service manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folders {
    /// Outlives the process and the machine's restart.
    pub state: Option<PathBuf>,
    /// Ends with the process.
    pub runtime: Option<PathBuf>,
    /// What the service manager hands over in secret.
    pub credentials: Option<PathBuf>,
}

impl Folders {
    /// As the environment says.
    pub fn of_environment() -> Folders {
        Folders {
            state: first("STATE_DIRECTORY"),
            runtime: first("RUNTIME_DIRECTORY"),
            credentials: first("CREDENTIALS_DIRECTORY"),
        }
    }

    /// Where files may be written.
    pub fn writable(&self) -> Vec<PathBuf> {
        self.state.iter().chain(&self.runtime).cloned().collect()
    }
}

/// The first of the folders in a variable: systemd parts several by colons.
fn first(variable: &str) -> Option<PathBuf> {
    let folders = std::env::var_os(variable)?;
    std::env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
}
