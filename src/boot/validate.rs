//! Telling a person, or a program, what is wrong with a configuration.

use std::io::{self, Write};

use crate::control::config::{Problem, Severity, render};

/// Writes problems the way rustc does, and a last line that counts them. Nothing is written when there are none.
pub fn print(problems: &[Problem], color: bool, out: &mut impl Write) -> io::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    render::text(problems, color, &mut text).map_err(io::Error::other)?;
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    writeln!(out, "{text}{}", count(errors, warnings))
}

/// Writes problems as one JSON object on one line, also when there are none.
pub fn print_json(problems: &[Problem], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", render::json(problems))
}

fn count(errors: usize, warnings: usize) -> String {
    let of = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    match (errors, warnings) {
        (0, warnings) => of(warnings, "warning"),
        (errors, 0) => of(errors, "error"),
        (errors, warnings) => format!("{}, {}", of(errors, "error"), of(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config;

    #[test]
    fn problems_are_counted_and_told() {
        assert_eq!(count(1, 0), "1 error");
        assert_eq!(count(2, 1), "2 errors, 1 warning");
        assert_eq!(count(0, 3), "3 warnings");
        let problems = config::load(Some("/nonexistent/x.yaml".as_ref()), &config::Environment::new(), 1).unwrap_err();
        let (mut text, mut json) = (Vec::new(), Vec::new());
        print(&problems.list, false, &mut text).unwrap();
        print_json(&problems.list, &mut json).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("error: failed to read config: ") && text.ends_with("\n1 error\n"), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["errors"], 1);
        assert_eq!(json["problems"][0]["severity"], "error");
    }

    #[test]
    fn nothing_is_said_about_nothing() {
        let mut text = Vec::new();
        print(&[], true, &mut text).unwrap();
        assert!(text.is_empty());
    }
}
