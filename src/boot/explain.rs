//! `vallum explain`: what the code of a warning means.

use std::process::ExitCode;

use clap::Args;

use crate::control::config::{Lint, nearest};

pub const HELP: &str = "\
Examples:
  vallum explain never-true
  vallum explain                           every code with its meaning

Exit codes: 0 known, 2 no such code.";

/// What to explain.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Explain {
    /// The word in brackets behind `warning`; without it all are listed
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// Prints the meaning of one code, or of all.
pub fn run(wanted: &Explain) -> ExitCode {
    let Some(code) = &wanted.code else {
        for lint in Lint::ALL {
            println!("{:<20} {}", lint.code(), lint.meaning());
        }
        return ExitCode::SUCCESS;
    };
    let code = code.trim_matches(['[', ']']);
    if let Some(lint) = Lint::ALL.into_iter().find(|lint| lint.code() == code) {
        println!("{}: {}", lint.code(), lint.meaning());
        return ExitCode::SUCCESS;
    }
    let meant = nearest(code, Lint::ALL.into_iter().map(Lint::code));
    let meant = meant.map(|code| format!("; did you mean `{code}`?")).unwrap_or_default();
    eprintln!("no warning has the code {code:?}{meant}");
    ExitCode::from(2)
}
