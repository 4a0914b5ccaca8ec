//! The text of a configuration as a tree of values, each with its place.
//!
//! `serde_yaml` decides what the text means ([`yaml`]); where it knows no position, a second pass over the same
//! text by `saphyr-parser` ([`marks`]) supplies line and column and nothing else.

mod marks;
pub(super) mod tree;
mod yaml;

use super::problem::{Collector, Finding, Spot};
use tree::Tree;

/// Most brackets that may be open at once. The parser of record takes time in proportion to their number for every
/// token, and finds out only at the end that they are too many.
pub(super) const FLOW_DEPTH_MAX: usize = 1000;

/// Reads `text` (YAML, or JSON, which is YAML too). `None` when it cannot be read at all; then an error was collected.
pub(super) fn parse(text: &str, problems: &Collector) -> Option<Tree> {
    if let Some(spot) = too_deep(text) {
        let message = format!("failed to read config: more than {FLOW_DEPTH_MAX} brackets are open at once");
        problems.add(Finding::error(&spot, "", message));
        return None;
    }
    match yaml::parse(text) {
        Ok(raw) => Some(tree::build(raw, marks::scan(text).as_ref(), problems)),
        Err(error) => {
            problems.add(unreadable(text, &error));
            None
        }
    }
}

/// Reads text that has no place in the configuration file (an environment variable, base64): every value gets `spot`.
pub(super) fn parse_at(text: &str, spot: &Spot, problems: &Collector) -> Result<Tree, String> {
    if too_deep(text).is_some() {
        return Err(format!("more than {FLOW_DEPTH_MAX} brackets are open at once"));
    }
    let raw = yaml::parse(text).map_err(|e| e.to_string())?;
    let mut tree = tree::build(raw, None, problems);
    tree.move_to(spot);
    Ok(tree)
}

/// Where the brackets become too many. Those in strings and comments count too, which no honest text has so many of.
fn too_deep(text: &str) -> Option<Spot> {
    let mut depth = 0usize;
    for (index, line) in text.lines().enumerate() {
        for (column, byte) in line.bytes().enumerate() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > FLOW_DEPTH_MAX {
                return Some(Spot::at(number(index + 1), number(column + 1), 1));
            }
        }
    }
    None
}

fn unreadable(text: &str, error: &serde_yaml::Error) -> Finding {
    let message = error.to_string();
    let spot = match error.location() {
        Some(at) => Spot::at(number(at.line()), number(at.column()), 1),
        None if message.contains("more than one document") => marks::second_document(text).unwrap_or_default(),
        None => Spot::default(),
    };
    Finding::error(&spot, "", format!("failed to read config: {message}"))
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::*;
    use std::path::Path;

    fn problems(text: &str) -> Problems {
        let collector = Collector::default();
        parse(text, &collector);
        collector.finish(Some(Path::new("f.yaml")), text)
    }

    #[test]
    fn what_cannot_be_read_says_where_and_why() {
        let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}", {
            let layer = |name: char, of: char| format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(","));
            "bcdefghi".chars().zip("abcdefgh".chars()).map(|(n, o)| layer(n, o)).collect::<String>()
        });
        for (text, line, part) in [
            ("a: [1", Some(2), "did not find expected ',' or ']'"),
            ("a: 1\n---\nb: 2", Some(2), "more than one document"),
            ("a: b: c", Some(1), "mapping values are not allowed"),
            ("a: *nowhere", Some(1), "unknown anchor"),
            ("a: !tag x", Some(1), "tag"),
            (&bomb, None, "limit"),
            (&"[".repeat(300), None, "recursion limit"),
            (&format!("a:\n{}", "{a: ".repeat(100_000)), Some(2), "brackets are open at once"),
            ("1: a", Some(1), "cannot convert nested map: all keys must be strings"),
            ("a: {[x]: 1}", Some(1), "all keys must be strings"),
            ("a: 1\nb: 2\na: 3", Some(3), "duplicate key `a`"),
        ] {
            let problems = problems(text);
            let problem = &problems.list[0];
            assert!(problem.message.contains(part), "{text}: {}", problem.message);
            if line.is_some() {
                assert_eq!(problem.place.as_ref().map(|p| p.line), line, "{text}: {}", problem.message);
            }
        }
    }

    #[test]
    fn large_anchored_values_cannot_be_multiplied() {
        let list = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(20_000), "*a,".repeat(20_000));
        assert!(problems(&list).list[0].message.contains("limit"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(5_000));
        assert!(problems(&long).list[0].message.contains("limit"));
    }
}
