//! The part of the command line that an appliance uses by itself.

use std::path::PathBuf;

use clap::Args;

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
