//! The part of the command line that speaks to a running process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A running process to ask: by its local socket, or over mutual TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Asking a running process")]
pub struct Remote {
    /// Its admin port; needs --cert, --key and --ca
    #[arg(long, global = true, value_name = "HOST:PORT", conflicts_with = "socket")]
    pub host: Option<String>,
    /// Its local socket [default: /run/vallum/admin.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Our certificate, from the CA that the process believes
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The key of our certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The CA of its certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The name that its certificate carries [default: the host]
    #[arg(long, global = true, value_name = "NAME")]
    pub server_name: Option<String>,
}

impl Remote {
    /// Whether the command line says whom to ask.
    pub fn is_given(&self) -> bool {
        self != &Remote::default()
    }
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Ask {
    /// Say what a running process does: phase, version, address, configuration, last error
    Status(Shown),
    /// List the routes of a running process and the endpoints behind them
    Routes(Shown),
    /// Print the last lines of a running process's log
    Logs(Logs),
    /// Let a running process read its configuration again, and say what came of it
    Reload,
    /// The appliance's image
    #[command(subcommand)]
    Image(Image),
}

/// How an answer is printed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Shown {
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Which lines of the log.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Logs {
    /// Go on with the lines to come
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// How many of the last lines, at most 5000
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 200)]
    pub lines: u32,
}

/// What may be asked of an appliance.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Image {
    /// Which slots there are, and which one runs
    Status(Shown),
    /// Fetch a later release, verify it and write it into the other slot
    #[command(after_help = UPGRADE_HELP)]
    Upgrade(Upgrade),
    /// Start the version in the other slot next time
    Rollback(Rollback),
}

const UPGRADE_HELP: &str = "\
Examples:
  vallum image upgrade                     from where the machine was told to look (vallum.update-source)
  vallum --host edge1:8444 --cert me.pem --key me.key --ca ca.pem image upgrade --reboot
  vallum image upgrade --source https://releases.example/vallum/stable
  vallum image upgrade --source /run/release   a disk labelled VALLUMREL

The new version is started by --reboot, or whenever the machine starts next. It has three tries to serve; then the one
that runs now is taken again.";

/// How to upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Upgrade {
    /// Where the release is: a folder of the machine, or the https URL of one
    #[arg(long, value_name = "URL|DIR")]
    pub source: Option<String>,
    /// Start the machine again, with the new version
    #[arg(long)]
    pub reboot: bool,
    /// Take a version that failed to start before
    #[arg(long)]
    pub retry: bool,
}

/// How to go back.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Rollback {
    /// Start the machine again, with the other version
    #[arg(long)]
    pub reboot: bool,
}

/// Is it healthy?
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Health {
    /// A check that does not count (may be repeated)
    #[arg(long, short = 'e', value_name = "CHECK")]
    pub exclude: Vec<String>,
    /// Its health port, where no --host or --socket is given
    #[arg(long = "health-addr", short = 'a', value_name = "IP:PORT", default_value = "127.0.0.1:28080")]
    pub address: SocketAddr,
    /// Print the checks that pass, too
    #[arg(long, short = 'v')]
    pub verbose: bool,
}
