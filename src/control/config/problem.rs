//! What is wrong with a configuration, and where. Everything is collected; nothing stops at the first.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lint::Lint;
use super::snippet;

/// Most problems that are kept of one configuration; the rest is only counted.
pub const PROBLEMS_KEPT_MAX: usize = 1000;

/// Whether a problem forbids the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A place in the configuration file: line and column count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: PathBuf,
    pub line: u32,
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Another place that explains a problem ("first defined here").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    pub place: Place,
    pub label: String,
}

/// One thing that is wrong with a configuration. No field ever holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Which lint found it; `None` for what is simply wrong.
    pub lint: Option<Lint>,
    /// `None` when nothing in the file is to blame (a missing key, an environment variable).
    pub place: Option<Place>,
    /// The environment variable to blame.
    pub variable: Option<String>,
    /// The path of the key: `routes[2].to`; empty for the file as a whole.
    pub key: String,
    pub message: String,
    /// What to do about it, or the nearest key.
    pub help: Option<String>,
    pub related: Option<Related>,
    /// The source line with the caret under it; `None` without a place.
    pub snippet: Option<snippet::Snippet>,
}

impl Problem {
    /// An error of the file as a whole.
    pub fn whole(message: String) -> Problem {
        Problem {
            severity: Severity::Error,
            lint: None,
            place: None,
            variable: None,
            key: String::new(),
            message,
            help: None,
            related: None,
            snippet: None,
        }
    }
}

/// Every problem of one configuration: errors before warnings, then in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    pub list: Vec<Problem>,
    /// How many more there are beyond [`PROBLEMS_KEPT_MAX`].
    pub dropped: usize,
}

impl Problems {
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Error).count()
    }

    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the configuration has {} error(s)", self.errors())?;
        match self.list.first() {
            Some(first) => write!(f, "; the first: {}", first.message),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problems {}

/// Where a value comes from: a line of the file, an environment variable, or (line 0) neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
    /// In characters; 0 when unknown.
    pub(super) width: u32,
    pub(super) variable: Option<Arc<str>>,
}

impl Spot {
    pub(super) fn at(line: u32, column: u32, width: u32) -> Self {
        Spot { line, column, width, variable: None }
    }

    pub(super) fn variable(name: &str) -> Self {
        Spot { variable: Some(name.into()), ..Spot::default() }
    }

    pub(super) fn is_known(&self) -> bool {
        self.line > 0
    }
}

/// A problem before its place is known by file name.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    severity: Severity,
    lint: Option<Lint>,
    spot: Spot,
    key: String,
    message: String,
    help: Option<String>,
    related: Option<(Spot, String)>,
}

impl Finding {
    pub(super) fn error(spot: &Spot, key: impl Into<String>, message: impl Into<String>) -> Self {
        let (spot, key, message) = (spot.clone(), key.into(), message.into());
        Finding { severity: Severity::Error, lint: None, spot, key, message, help: None, related: None }
    }

    pub(super) fn warning(spot: &Spot, key: impl Into<String>, message: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, ..Finding::error(spot, key, message) }
    }

    /// A warning that `lint` gives.
    pub(super) fn lint(lint: Lint, spot: &Spot, key: impl Into<String>, message: impl Into<String>) -> Self {
        Finding { lint: Some(lint), ..Finding::warning(spot, key, message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same finding in other words.
    pub(super) fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(super) fn related(mut self, spot: &Spot, label: impl Into<String>) -> Self {
        self.related = spot.is_known().then(|| (spot.clone(), label.into()));
        self
    }
}

/// Collects findings. Shared by reference through the whole check, hence the cell.
#[derive(Debug, Default)]
pub(super) struct Collector(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    list: Vec<Finding>,
    dropped: usize,
    errors: usize,
}

impl Collector {
    pub(super) fn add(&self, finding: Finding) {
        let mut found = self.0.borrow_mut();
        let is_error = finding.severity == Severity::Error;
        // The first error is always kept, however many warnings came before it.
        if found.list.len() < PROBLEMS_KEPT_MAX || (is_error && found.errors == 0) {
            found.list.push(finding);
        } else {
            found.dropped += 1;
        }
        found.errors += usize::from(is_error);
    }

    /// Whether further findings are only counted, so that no trouble need be taken over their words.
    pub(super) fn is_full(&self) -> bool {
        self.0.borrow().list.len() >= PROBLEMS_KEPT_MAX
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.borrow().errors > 0
    }

    /// The problems with their places named, in their order.
    pub(super) fn finish(self, file: Option<&Path>, text: &str) -> Problems {
        let found = self.0.into_inner();
        let lines = snippet::Lines::new(text);
        let mut list: Vec<Problem> = found.list.into_iter().map(|f| f.located(file, &lines)).collect();
        list.sort_by(|a, b| order(a).cmp(&order(b)));
        list.dedup();
        Problems { list, dropped: found.dropped }
    }
}

/// Errors first, then what has a place, then by place, key and text.
fn order(problem: &Problem) -> (Severity, bool, Option<&Place>, &str, &str) {
    (problem.severity, problem.place.is_none(), problem.place.as_ref(), &problem.key, &problem.message)
}

impl Finding {
    fn located(self, file: Option<&Path>, lines: &snippet::Lines<'_>) -> Problem {
        let place = |spot: &Spot| {
            let file = file.filter(|_| spot.is_known())?.to_owned();
            Some(Place { file, line: spot.line, column: spot.column })
        };
        let at = place(&self.spot);
        let related = self.related.and_then(|(spot, label)| Some(Related { place: place(&spot)?, label }));
        Problem {
            severity: self.severity,
            lint: self.lint,
            snippet: at.as_ref().and_then(|_| lines.snippet(&self.spot)),
            place: at,
            variable: self.spot.variable.as_deref().map(str::to_owned),
            key: self.key,
            message: self.message,
            help: self.help,
            related,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_errors_first_and_in_file_order() {
        let collector = Collector::default();
        collector.add(Finding::warning(&Spot::at(1, 1, 1), "a", "early warning"));
        collector.add(Finding::error(&Spot::default(), "", "nowhere"));
        collector.add(Finding::error(&Spot::at(9, 1, 1), "b", "late"));
        collector.add(Finding::error(&Spot::at(2, 5, 1), "c", "early"));
        collector.add(Finding::error(&Spot::at(2, 5, 1), "c", "early"));
        let problems = collector.finish(Some(Path::new("f.yaml")), "x\n");
        let texts: Vec<_> = problems.list.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(texts, ["early", "late", "nowhere", "early warning"]);
        assert_eq!((problems.errors(), problems.warnings()), (3, 1));
    }

    #[test]
    fn a_flood_of_problems_is_bounded_and_counted() {
        let collector = Collector::default();
        for line in 0..PROBLEMS_KEPT_MAX as u32 + 5 {
            collector.add(Finding::warning(&Spot::at(line + 1, 1, 1), "", "again"));
        }
        collector.add(Finding::error(&Spot::at(1, 1, 1), "", "the one error"));
        assert!(collector.has_errors());
        let problems = collector.finish(Some(Path::new("f")), "");
        assert_eq!(problems.list[0].message, "the one error");
        assert_eq!(problems.dropped, 5);
    }
}
