//! The composition root: it knows everybody, nobody knows it.
//!
//! `cli` reads the command line, `launch` puts the planes together (on `ground`) and runs them, `reload` adopts new configurations.

pub mod cli;
pub mod folders;
pub mod logging;
pub mod sandbox;
pub mod signals;
pub mod sockets;
pub mod systemd;
pub mod validate;

mod client;
mod console;
mod console_line;
mod copies;
mod dev;
mod explain;
mod ground;
mod image;
mod launch;
mod managed;
mod reload;
mod report;
mod setup;
mod test;
mod watchdog;
mod why;
mod workers;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::Command;

/// Runs the command line `args` (program name first) and returns the process's exit code:
/// 0 done, 1 failed, 2 wrong usage, 3 valid with warnings under `--strict`, 78 no start with this configuration.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match cli::parse(args) {
        Ok(command) => command,
        Err(code) => return code,
    };
    if matches!(command, Command::Run(_) | Command::Dev(_)) {
        copies::prefer_vectors();
    }
    let format = logging::format_of(&command);
    match command {
        Command::Run(run) => launch::run(&run, format),
        Command::Dev(dev) => dev::run(&dev, format),
        Command::Validate(remote, validate) if remote.is_given() => client::validate(&remote, &validate),
        Command::Validate(_, validate) => report::validate(&validate),
        Command::Why(why) => why::run(&why),
        Command::Test(test) => test::run(&test),
        Command::Explain(explain) => explain::run(&explain),
        Command::Health(remote, health) => client::health(&remote, &health),
        Command::Import(import) => managed::import::run(&import),
        Command::Console(console) => console::run(&console),
        Command::ConfigDisk => managed::disk::run(),
        Command::Keeper(keeper) => image::run(keeper),
        Command::Ask(remote, ask) => client::run(&remote, &ask),
        Command::Version(version) => {
            println!("{}", cli::version_text(version.json));
            ExitCode::SUCCESS
        }
    }
}
