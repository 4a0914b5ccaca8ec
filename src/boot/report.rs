//! Telling the operator what is wrong with a configuration, before or instead of starting.

use std::io::IsTerminal;
use std::process::ExitCode;

use super::cli::{ReportFormat, Validate};
use super::validate;
use crate::control::config::{self, Environment, Problem};

/// Valid, but with warnings, and `--strict` was given.
const STRICT: u8 = 3;
/// EX_CONFIG of sysexits(3): `RestartPreventExitStatus=` keeps a bad configuration from becoming a loop of restarts.
const BAD_CONFIGURATION: u8 = 78;

/// `vallum validate`: every problem, then the verdict.
pub fn validate(wanted: &Validate) -> ExitCode {
    let (problems, valid) = match config::load(Some(&wanted.file), &environment(), 1) {
        Ok(loaded) => (loaded.warnings, true),
        Err(problems) => (problems.list, false),
    };
    let mut out = std::io::stdout();
    let printed = match wanted.format {
        ReportFormat::Json => validate::print_json(&problems, &mut out),
        ReportFormat::Text => validate::print(&problems, uses_color(&out), &mut out),
    };
    if printed.is_err() {
        return ExitCode::FAILURE;
    }
    if valid && wanted.format == ReportFormat::Text {
        println!("{}: valid", wanted.file.display());
    }
    match (valid, problems.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) if wanted.strict => ExitCode::from(STRICT),
        (true, _) => ExitCode::SUCCESS,
    }
}

/// Problems, on standard error.
pub fn print(problems: &[Problem]) {
    let mut err = std::io::stderr();
    let color = uses_color(&err);
    // Nothing can be done about a closed terminal.
    let _ = validate::print(problems, color, &mut err);
}

/// A configuration that `run` cannot start with: said on standard error.
pub fn refuse(problems: &[Problem]) -> ExitCode {
    print(problems);
    eprintln!("vallum: the configuration is not valid; nothing was started");
    ExitCode::from(BAD_CONFIGURATION)
}

/// There is no configuration at any of these places.
pub fn nowhere(places: &[std::path::PathBuf]) -> ExitCode {
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    eprintln!("vallum: there is no configuration; looked for {}", places.join(", "));
    ExitCode::from(BAD_CONFIGURATION)
}

/// Warnings of a configuration that is run, as log lines.
pub fn warn(warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!(
            place = warning.place.as_ref().map(ToString::to_string).unwrap_or_default(),
            key = warning.key,
            help = warning.help.as_deref().unwrap_or_default(),
            "{}",
            warning.message
        );
    }
}

/// The process's environment; what is not Unicode is left out.
pub fn environment() -> Environment {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Whether a stream is a terminal that wants colours.
pub fn uses_color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What a run comes to that has ended; why it had to end is said in the log, and to whoever started it.
pub fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot go on");
            eprintln!("vallum: {error:#}");
            ExitCode::FAILURE
        }
    }
}
