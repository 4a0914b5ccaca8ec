//! `vallum test`: what the policies of a configuration must say.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use super::report::{self, uses_color};
use super::why;
use crate::control::assertions::{self, Report, Unanswerable};
use crate::control::config::Loaded;
use crate::control::config::cases::{self, TestFile};

/// The tests could not be run: wrong usage, a file that cannot be read, a configuration with errors.
const NOT_RUN: u8 = 2;

pub const HELP: &str = "\
A file of tests says who asks for what, and what must come of it:

  config: vallum.yaml                      beside the file; --config wins
  people:
    alice: { email: alice@example.com, groups: [shop-admins] }
  cases:
    - { who: alice, route: shop-admin, expect: allow }
    - { who: nobody, url: \"https://wiki.example.com/\", expect: sign-in }
    - { who: { email: x@example.org }, route: wiki, expect: deny, status: 403, reasons: [domain-unauthorized] }

`who` may be a list; method, path, ip, preflight, time and name may be given too. Routes that no case asks for, and rules
that hold in no case, are listed at the end. config/policy-tests.yaml is a commented example.

Examples:
  vallum test config/policy-tests.yaml
  vallum test tests/*.yaml --config /etc/vallum/config.yaml --format junit > report.xml

Exit codes: 0 every case came out as expected, 1 some did not, 2 the tests could not be run.";

/// What to test.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Test {
    /// The files of tests
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The configuration that is tested [default: the one that each file names]
    #[arg(long, short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub format: TestFormat,
}

/// The form of a report of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// A line for each case, and what differs
    Text,
    /// One JSON document: a list with an object for each file
    Json,
    /// JUnit's XML, as CI systems read it
    Junit,
}

/// Runs the tests of every file.
pub fn run(wanted: &Test) -> ExitCode {
    let Some(files) = read(&wanted.files) else { return ExitCode::from(NOT_RUN) };
    let mut loaded = Vec::new();
    for (path, file) in files {
        match configuration(wanted, &path, &file) {
            Ok(configuration) => loaded.push((path, file, configuration)),
            Err(message) => {
                if !message.is_empty() {
                    eprintln!("vallum: {message}");
                }
                return ExitCode::from(NOT_RUN);
            }
        }
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut reports = Vec::new();
    let mut wrong = Vec::new();
    for (path, file, Loaded { plan, places, .. }) in &loaded {
        match assertions::run(path.display().to_string(), file.cases.clone(), plan, places, now) {
            Ok(report) => reports.push(report),
            Err(list) => wrong.extend(list),
        }
    }
    if !wrong.is_empty() {
        return unanswerable(&wrong);
    }
    match print(&reports, wanted.format) {
        Err(_) => ExitCode::from(NOT_RUN),
        Ok(()) if reports.iter().any(|report| report.failed() > 0) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// Every file, or `None` when one had problems, which are then printed.
fn read(paths: &[PathBuf]) -> Option<Vec<(PathBuf, TestFile)>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match cases::read(path) {
            Ok(file) => files.push((path.clone(), file)),
            Err(found) => problems.extend(found.list),
        }
    }
    report::print(&problems);
    problems.is_empty().then_some(files)
}

fn configuration(wanted: &Test, path: &Path, file: &TestFile) -> Result<Loaded, String> {
    match wanted.config.as_deref().or(file.config.as_deref()) {
        Some(config) => why::load(Some(config)),
        None => Err(format!("{} names no configuration: add `config: FILE`, or give --config", path.display())),
    }
}

fn unanswerable(wrong: &[Unanswerable]) -> ExitCode {
    for Unanswerable { place, message } in wrong {
        eprintln!("error: {message}\n --> {place}");
    }
    ExitCode::from(NOT_RUN)
}

fn print(reports: &[Report<'_>], format: TestFormat) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let mut printed = String::new();
    let written = match format {
        TestFormat::Text => {
            let color = uses_color(&out);
            reports.iter().try_for_each(|report| assertions::text(report, color, &mut printed))
        }
        TestFormat::Json => {
            let list: Vec<_> = reports.iter().map(assertions::json).collect();
            printed = serde_json::Value::from(list).to_string() + "\n";
            Ok(())
        }
        TestFormat::Junit => assertions::junit(reports, &mut printed),
    };
    written.map_err(std::io::Error::other)?;
    out.write_all(printed.as_bytes())
}
