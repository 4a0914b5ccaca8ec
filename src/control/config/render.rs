//! Problems as text, in the manner of rustc, and as JSON.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::lint::Lint;
use super::problem::{Place, Problem, Severity};

/// Most problems that are written out as text; the rest is only counted.
pub const PROBLEMS_SHOWN_MAX: usize = 50;

/// Writes problems as text, with colours for a terminal if `color`.
pub fn text(problems: &[Problem], color: bool, out: &mut impl Write) -> fmt::Result {
    let paint = Paint(color);
    for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
        one(problem, paint, out)?;
        out.write_char('\n')?;
    }
    if let Some(more) = problems.len().checked_sub(PROBLEMS_SHOWN_MAX).filter(|more| *more > 0) {
        writeln!(out, "… and {more} more\n")?;
    }
    Ok(())
}

fn one(problem: &Problem, paint: Paint, out: &mut impl Write) -> fmt::Result {
    let (word, style) = match problem.severity {
        Severity::Error => ("error", Style::Error),
        Severity::Warning => ("warning", Style::Warning),
    };
    let code = problem.lint.map(|lint| format!("[{}]", lint.code())).unwrap_or_default();
    let word = paint.on(style, &format!("{word}{code}"));
    writeln!(out, "{word}: {}", paint.on(Style::Strong, &clean(&problem.message)))?;
    if let Some(variable) = &problem.variable {
        writeln!(out, "  {} environment variable {}", paint.on(Style::Line, "-->"), clean(variable))?;
    }
    if let Some(place) = &problem.place {
        source(problem, place, paint, style, out)?;
    }
    if let Some(related) = &problem.related {
        let arrow = paint.on(Style::Line, "  ::");
        writeln!(out, "{arrow} {}: {}", position(&related.place), clean(&related.label))?;
    }
    if let Some(help) = &problem.help {
        writeln!(out, "  {}: {}", paint.on(Style::Help, "help"), clean(help))?;
    }
    Ok(())
}

fn source(problem: &Problem, place: &Place, paint: Paint, style: Style, out: &mut impl Write) -> fmt::Result {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(out, "{margin}{} {}", paint.on(Style::Line, "-->"), position(place))?;
    let Some(snippet) = &problem.snippet else { return Ok(()) };
    let bar = paint.on(Style::Line, "|");
    writeln!(out, "{margin} {bar}")?;
    writeln!(out, "{} {bar} {}", paint.on(Style::Line, &number), snippet.text)?;
    let caret = paint.on(style, &"^".repeat(snippet.width));
    writeln!(out, "{margin} {bar} {}{caret}", " ".repeat(snippet.indent))
}

fn position(place: &Place) -> String {
    format!("{}:{}:{}", clean(&place.file.to_string_lossy()), place.line, place.column)
}

/// The text without characters that could drive a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[derive(Clone, Copy)]
enum Style {
    Error,
    Warning,
    Strong,
    Line,
    Help,
}

/// Puts colours around text, or not.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn on(self, style: Style, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match style {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Strong => "1",
            Style::Line => "1;34",
            Style::Help => "1;36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Problems as one JSON object: `{"errors":…,"warnings":…,"problems":[…]}`. Nothing is left out of the list.
pub fn json(problems: &[Problem]) -> Value {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let list: Vec<Value> = problems.iter().map(one_json).collect();
    json!({ "errors": errors, "warnings": problems.len() - errors, "problems": list })
}

fn one_json(problem: &Problem) -> Value {
    let place = |place: &Place| json!({ "file": place.file, "line": place.line, "column": place.column });
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "severity": severity,
        "code": problem.lint.map(Lint::code),
        "message": problem.message,
        "key": problem.key,
        "place": problem.place.as_ref().map(place),
        "variable": problem.variable,
        "help": problem.help,
        "related": problem.related.as_ref().map(|r| json!({ "place": place(&r.place), "label": r.label })),
    })
}
