//! The command line: what was typed becomes a [`Command`].
//!
//! Pomerium's single-dash spellings (`-config`, `-version`) are taken as well, and a command line that names a
//! configuration but no command means `run`. Help and usage errors are printed here; wrong usage exits with 2.

mod local;
mod remote;

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::explain::{self, Explain};
use super::test::{self, Test};
use super::why::{self, Why};
pub use local::{Console, Import, Keeper};
pub use remote::{Ask, Health, Image, Logs, Remote, Shown, Upgrade};

use crate::telemetry::build::{REVISION, VERSION};
use crate::telemetry::logging::Format;

const AFTER_HELP: &str = "\
Examples:
  vallum dev                               the whole thing on this machine, offline
  vallum validate config.yaml              every problem of a file, with line and column
  vallum why --route wiki --email a@b.c    may they, and which condition decides
  vallum test policy-tests.yaml            what the policies must say, for CI
  vallum run --config /etc/vallum/config.yaml

Exit codes: 0 done, 1 failed or invalid configuration, 2 wrong usage, 3 warnings under --strict,
4 nobody answered, 78 run cannot start with this configuration.";

const RUN_HELP: &str = "\
Examples:
  vallum run --config config.yaml
  vallum -config config.yaml               as Pomerium spells it
  ADDRESS=:8443 vallum run --config config.yaml

Every key of the file may be given in the environment (the key in capitals); the environment wins.
SIGHUP reads the configuration again: a bad one is reported and the old one kept.
SIGTERM stops accepting, finishes what runs, then ends.";

const DEV_HELP: &str = "\
Starts a built-in OpenID provider with a user picker (alice, bob, mallory), an upstream that verifies
what it is told, and three routes: public, any signed-in user, admins only. Nothing leaves this machine.

Examples:
  vallum dev
  vallum dev --address 127.0.0.1:9443 --state-dir /tmp/vallum";

const HEALTH_HELP: &str = "\
Examples:
  vallum health                            by the health port of this machine
  vallum health -v -e config.databroker.build
  vallum --host edge1:8444 --cert me.pem --key me.key --ca ca.pem health

Exit codes: 0 healthy, 1 not, 4 nobody answered.";

const VALIDATE_HELP: &str = "\
Examples:
  vallum validate config.yaml
  vallum validate config.yaml --strict --format json
  vallum --host edge1:8444 --cert me.pem --key me.key --ca ca.pem validate config.yaml

Exit codes: 0 valid, 1 invalid, 3 valid but with warnings and --strict was given.";

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Run(Run),
    Dev(Dev),
    Validate(Remote, Validate),
    Why(Box<Why>),
    Test(Test),
    Explain(Explain),
    Version(Version),
    Health(Remote, Health),
    Ask(Remote, Ask),
    Import(Import),
    Console(Console),
    ConfigDisk,
    Keeper(Keeper),
}

/// Serve.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Run {
    /// The configuration file (Pomerium's YAML); without it the environment alone is read
    #[arg(long, short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Find the configuration where systemd and the appliance put it (see systemd/README.md)
    #[arg(long, conflicts_with = "config")]
    pub managed: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// Try it on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Dev {
    /// Where to listen: loopback addresses only
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443", value_parser = loopback)]
    pub address: SocketAddr,
    /// Where secrets and the local CA are kept [default: a directory in the user's state directory]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Check a configuration without starting.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Validate {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Take warnings for failures (exit code 3)
    #[arg(long)]
    pub strict: bool,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// Say what this is.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Version {
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Format {
        match format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        }
    }
}

/// The form of a validation report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// With the source line and a mark under the place
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Parser)]
#[command(
    name = "vallum",
    version = VERSION,
    about = "An identity-aware edge load balancer: terminates TLS, signs people in, decides, vouches and balances",
    after_help = AFTER_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve a configuration
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Try it on this machine: sign in, be allowed, be denied; offline, no files, no accounts
    #[command(after_help = DEV_HELP)]
    Dev(Dev),
    /// Report every problem of a configuration without starting
    #[command(after_help = VALIDATE_HELP)]
    Validate(Validate),
    /// Say whether a request would be allowed, and which condition decides; offline
    #[command(after_help = why::HELP)]
    Why(Box<Why>),
    /// Check what the policies of a configuration must say, for CI
    #[command(after_help = test::HELP)]
    Test(Test),
    /// Say what the code of a warning means
    #[command(after_help = explain::HELP)]
    Explain(Explain),
    /// Print the version and the source revision
    Version(Version),
    /// Ask whether a running process is healthy
    #[command(after_help = HEALTH_HELP)]
    Health(Health),
    /// Take the configuration from a config disk (vallum.yaml, or NoCloud's user-data) and keep it on this machine
    ImportConfig(Import),
    /// Draw addresses, health, slot, version and last error on this terminal
    Console(Console),
    /// Take what a config disk holds, before the service starts; a unit of the appliance runs it as root
    #[command(hide = true)]
    ConfigDisk,
    /// Keep the appliance's image (run by its own units)
    #[command(name = "image-keeper", subcommand, hide = true)]
    Keeper(Keeper),
    #[command(flatten)]
    Ask(Ask),
}

impl Line {
    /// What was meant; else why it makes no sense.
    fn meaning(self) -> Result<Command, clap::Error> {
        let Line { verb, remote } = self;
        let is_remote = remote.is_given();
        let is_whole = remote.host.is_none() || (remote.cert.is_some() && remote.key.is_some() && remote.ca.is_some());
        let refuse = |message: &str| Err(Line::command().error(clap::error::ErrorKind::ArgumentConflict, message));
        match verb {
            _ if !is_whole => refuse("`--host` needs `--cert`, `--key` and `--ca`"),
            Verb::Run(_)
            | Verb::Dev(_)
            | Verb::Why(_)
            | Verb::Test(_)
            | Verb::Explain(_)
            | Verb::Version(_)
            | Verb::ImportConfig(_)
            | Verb::ConfigDisk
            | Verb::Keeper(_)
                if is_remote =>
            {
                refuse("this command asks no running process: `--host`, `--socket` and what belongs to them do not fit")
            }
            Verb::Run(run) => Ok(Command::Run(run)),
            Verb::Dev(dev) => Ok(Command::Dev(dev)),
            Verb::Validate(validate) => Ok(Command::Validate(remote, validate)),
            Verb::Why(why) => Ok(Command::Why(why)),
            Verb::Test(test) => Ok(Command::Test(test)),
            Verb::Explain(explain) => Ok(Command::Explain(explain)),
            Verb::Version(version) => Ok(Command::Version(version)),
            Verb::Health(health) => Ok(Command::Health(remote, health)),
            Verb::ImportConfig(import) => Ok(Command::Import(import)),
            Verb::Console(console) => Ok(Command::Console(console.beside(remote.socket))),
            Verb::ConfigDisk => Ok(Command::ConfigDisk),
            Verb::Keeper(keeper) => Ok(Command::Keeper(keeper)),
            Verb::Ask(ask) => Ok(Command::Ask(remote, ask)),
        }
    }
}

/// Parses a command line (program name first).
///
/// When there is nothing to run (help was asked for, or the line is wrong) the text is already printed and the exit
/// code comes back: 0 for help, 2 for wrong usage. A rewritten single-dash option is mentioned on standard error.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    let (args, rewritten) = modernize(args.into_iter().collect());
    for old in rewritten {
        eprintln!("warning: `-{old}` is an old spelling, use `--{old}`");
    }
    match Line::try_parse_from(args).and_then(Line::meaning) {
        Ok(command) => Ok(command),
        Err(error) => {
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            Err(ExitCode::from(if error.use_stderr() { 2 } else { 0 }))
        }
    }
}

/// The text of `vallum version`.
pub fn version_text(json: bool) -> String {
    if json {
        return serde_json::json!({ "name": "vallum", "version": VERSION, "revision": REVISION }).to_string();
    }
    format!("vallum {VERSION} ({REVISION})")
}

/// Brings Pomerium's spellings into ours; returns the new line and the options that were rewritten.
fn modernize(mut args: Vec<OsString>) -> (Vec<OsString>, Vec<&'static str>) {
    let mut rewritten = Vec::new();
    for arg in args.iter_mut().skip(1) {
        if arg.as_os_str() == OsStr::new("--") {
            break;
        }
        for name in ["config", "version"] {
            if let Some(modern) = with_two_dashes(arg, name) {
                *arg = modern;
                rewritten.push(name);
            }
        }
    }
    if names_config_first(&args) {
        args.insert(1, "run".into());
    }
    (args, rewritten)
}

/// `-name` and `-name=value` with a second dash.
fn with_two_dashes(arg: &OsStr, name: &str) -> Option<OsString> {
    let bare = arg.as_encoded_bytes().strip_prefix(b"-")?.strip_prefix(name.as_bytes())?;
    if !(bare.is_empty() || bare.starts_with(b"=")) {
        return None;
    }
    let mut modern = OsString::from("-");
    modern.push(arg);
    Some(modern)
}

/// Whether the line begins with an option of `run` where a command should stand.
fn names_config_first(args: &[OsString]) -> bool {
    let Some(first) = args.get(1).map(|arg| arg.as_encoded_bytes()) else { return false };
    [&b"--config"[..], b"--log-format", b"-c"]
        .iter()
        .any(|option| first.strip_prefix(*option).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"=")))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("{text:?} is not an address; expected IP:PORT such as 127.0.0.1:8443"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not a loopback address; `dev` must not be reachable from outside"));
    }
    Ok(address)
}

/// The command line's definition, for generated documentation.
pub fn definition() -> clap::Command {
    Line::command()
}

#[cfg(test)]
mod tests;
