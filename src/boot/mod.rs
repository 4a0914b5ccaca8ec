//! The composition root: it knows everybody, nobody knows it.
//!
//! `cli` reads the command line, `launch` puts the planes together and runs them, `reload` adopts new configurations.

pub mod cli;
pub mod logging;
pub mod signals;
pub mod systemd;
pub mod validate;

mod dev;
mod launch;
mod reload;
mod report;
mod workers;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::Command;

/// Runs the command line `args` (program name first) and returns the process's exit code:
/// 0 done, 1 failed or invalid configuration, 2 wrong usage, 3 valid with warnings under `--strict`.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match cli::parse(args) {
        Ok(command) => command,
        Err(code) => return code,
    };
    let format = logging::format_of(&command);
    match command {
        Command::Run(run) => launch::run(run.config.as_deref(), format),
        Command::Dev(dev) => dev::run(&dev, format),
        Command::Validate(validate) => report::validate(&validate),
        Command::Version(version) => {
            println!("{}", cli::version_text(version.json));
            ExitCode::SUCCESS
        }
    }
}
