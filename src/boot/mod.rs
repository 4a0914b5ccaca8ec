//! The composition root: it knows everybody, nobody knows it.

pub mod cli;
pub mod logging;
pub mod signals;
pub mod systemd;
pub mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line `args` (program name first) and returns the process's exit code:
/// 0 done, 1 failed or invalid configuration, 2 wrong usage.
pub fn main(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::SUCCESS
}
