//! The part of the command line that an appliance uses by itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Take a configuration from a folder.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Import {
    /// Where the disk is mounted
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Where `vallum run --managed` keeps its state
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY", default_value = "/var/lib/vallum")]
    pub state_dir: PathBuf,
}

/// What the units of the image let the keeper do, as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Keeper {
    /// Answer the one who is connected to standard input
    Answer,
    /// Install and start a later release, where the credential vallum.update-source names a place for them
    Update,
    /// Wait until the data plane reports ready
    Prove,
    /// Note a version that failed to start
    Look,
}

/// Draw the state of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Console {
    /// Draw once and end
    #[arg(long)]
    pub once: bool,
    /// From `--socket`.
    #[arg(skip = PathBuf::from("/run/vallum/admin.sock"))]
    pub socket: PathBuf,
}

impl Console {
    /// The same, asking by `socket` where one is named.
    pub(super) fn beside(self, socket: Option<PathBuf>) -> Console {
        Console { socket: socket.unwrap_or(self.socket), ..self }
    }
}
