//! A report of tests in the form that CI systems read (JUnit's XML).

use std::fmt::{self, Write};

use super::{Report, text};

/// Writes one `testsuites` document with a suite for each file.
pub fn report(reports: &[Report<'_>], out: &mut impl Write) -> fmt::Result {
    let tests: usize = reports.iter().map(|report| report.results.len()).sum();
    let failures: usize = reports.iter().map(Report::failed).sum();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"vallum test\" tests=\"{tests}\" failures=\"{failures}\">")?;
    for report in reports {
        let (name, tests, failures) = (escaped(&report.file), report.results.len(), report.failed());
        writeln!(out, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">")?;
        for tested in &report.results {
            let (case, line) = (escaped(&tested.case.name), tested.case.place.line);
            write!(out, "    <testcase name=\"{case}\" classname=\"{name}\" file=\"{name}\" line=\"{line}\"")?;
            if tested.passed() {
                writeln!(out, "/>")?;
                continue;
            }
            let mut told = String::new();
            text::failure(tested, crate::control::paint::Paint(false), &mut told)?;
            writeln!(out, ">")?;
            writeln!(out, "      <failure message=\"not what was expected\">{}</failure>", escaped(&told))?;
            writeln!(out, "    </testcase>")?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// Text for XML: markup escaped, and without the control characters that XML 1.0 (section 2.2) cannot hold.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
