//! The configuration: file text → sections → check → plan.
//!
//! | step        | what it does                                                                        |
//! |-------------|-------------------------------------------------------------------------------------|
//! | `source`    | files to bounded text                                                               |
//! | `text`      | text to a tree of values with their places                                          |
//! | `layers`    | the environment over the file                                                       |
//! | `credentials` | secrets that the service manager hands over, where nothing else gives them        |
//! | `catalogue` | every key: used, not yet, old, removed; the nearest one to a misspelt one           |
//! | `sections`  | the tree to plain types: what was typed                                             |
//! | `check`     | what it means: parts of the plan                                                    |
//! | `lint`      | what can be run and was hardly meant                                                |
//!
//! Every step collects its problems and goes on, so that one run tells them all.

mod catalogue;
mod check;
mod credentials;
mod duration;
mod hash;
mod layers;
mod lint;
mod nearest;
mod problem;
mod reload;
pub mod render;
mod section;
mod sections;
mod snippet;
mod source;
mod text;
mod written;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;

use crate::plan::Plan;
pub use layers::Environment;
pub use lint::Lint;
pub use problem::{PROBLEMS_KEPT_MAX, Place, Problem, Problems, Related, Severity};
pub use reload::Reloader;
pub use sections::ROUTES_MAX;
pub use snippet::Snippet;
pub use source::{CONFIG_BYTES_MAX, NAMED_FILE_BYTES_MAX};

/// A configuration that may be run.
#[derive(Debug)]
pub struct Loaded {
    pub plan: Plan,
    /// In the order of the file.
    pub warnings: Vec<Problem>,
    /// The configuration file and every file that it names, sorted.
    pub watched: Vec<PathBuf>,
    /// `log_level`: for our own log lines, those about requests aside (see [`crate::plan::Logs`]).
    pub log_level: LevelFilter,
    /// The text that it was read from; `None` when the environment is all there is.
    pub text: Option<String>,
}

/// Loads a configuration: environment over file over defaults (Pomerium's precedence). Without a file the environment
/// is all there is. Files are read; no name is resolved and nobody is asked.
pub fn load(file: Option<&Path>, env: &Environment, generation: u64) -> Result<Loaded, Problems> {
    load_with(file, env, generation, &check::Fallback::random())
}

fn load_with(
    file: Option<&Path>,
    env: &Environment,
    generation: u64,
    fallback: &check::Fallback,
) -> Result<Loaded, Problems> {
    let desk = desk(env);
    match file.map(source::text).transpose() {
        Ok(text) => judge(text.as_deref(), file, env, generation, fallback, desk),
        Err(error) => {
            let message = format!("failed to read config: {error}");
            desk.problems.add(problem::Finding::error(&problem::Spot::default(), "", message));
            Err(desk.problems.finish(file, ""))
        }
    }
}

/// Loads a configuration that is in no file; `name` stands for it in problems.
pub fn load_text(text: &str, name: &Path, env: &Environment, generation: u64) -> Result<Loaded, Problems> {
    text_with(text, name, env, generation, &check::Fallback::random())
}

fn text_with(
    text: &str,
    name: &Path,
    env: &Environment,
    generation: u64,
    fallback: &check::Fallback,
) -> Result<Loaded, Problems> {
    judge(Some(text), Some(name), env, generation, fallback, desk(env))
}

fn desk(env: &Environment) -> section::Desk {
    let files = source::Files::beside(credentials::folder(env));
    section::Desk { files, ..section::Desk::default() }
}

fn judge(
    text: Option<&str>,
    file: Option<&Path>,
    env: &Environment,
    generation: u64,
    fallback: &check::Fallback,
    desk: section::Desk,
) -> Result<Loaded, Problems> {
    let built = build(text, env, generation, fallback, &desk);
    let section::Desk { problems, files } = desk;
    let has_errors = problems.has_errors();
    let problems = problems.finish(file, text.unwrap_or_default());
    match built {
        Some((plan, log_level)) if !has_errors => {
            let mut watched = files.finish();
            watched.extend(file.map(Path::to_owned));
            watched.sort();
            watched.dedup();
            Ok(Loaded { plan, warnings: problems.list, watched, log_level, text: text.map(str::to_owned) })
        }
        _ => Err(problems),
    }
}

fn build(
    text: Option<&str>,
    env: &Environment,
    generation: u64,
    fallback: &check::Fallback,
    desk: &section::Desk,
) -> Option<(Plan, LevelFilter)> {
    let entries = match text {
        Some(text) => top(text, desk)?,
        None => Vec::new(),
    };
    let entries = layers::overlay(entries, env, desk);
    let entries = credentials::overlay(entries, env);
    let sections = sections::read(&entries, env, desk);
    let (mut plan, level) = check::check(&sections, fallback, generation, desk)?;
    plan.checksum = checksum(&entries, env, desk);
    Some((plan, level))
}

/// The entries at the top of the file. An empty file is an error: it is what a half-written one looks like.
fn top(text: &str, desk: &section::Desk) -> Option<Vec<text::tree::Entry>> {
    let tree = text::parse(text, &desk.problems)?;
    let message = match tree.value {
        text::tree::Value::Map(entries) => return Some(entries),
        text::tree::Value::Null => "failed to read config: the file is empty".to_owned(),
        _ => format!("failed to read config: expected keys and values, found {}", tree.kind()),
    };
    desk.problems.add(problem::Finding::error(&tree.spot, "", message));
    None
}

/// A sum over what is in force: every entry in a fixed order, `HEADERS`, and the content of every named file.
fn checksum(entries: &[text::tree::Entry], env: &Environment, desk: &section::Desk) -> u64 {
    let mut parts: Vec<String> =
        entries.iter().map(|e| format!("{}: {}", e.key.to_ascii_lowercase(), e.value.json())).collect();
    parts.extend(layers::lookup(env, "headers").map(|(_, value)| format!("headers= {value}")));
    parts.sort_unstable();
    let sum = parts.iter().fold(hash::Fnv::new(), |sum, part| sum.part(part.as_bytes()));
    sum.part(&desk.files.sum().to_le_bytes()).sum()
}
