//! The source line under a problem, with everything that may be a secret taken out.

use super::problem::Spot;

/// Longest part of a source line that is shown, in characters.
const WIDTH_MAX: usize = 160;

/// Words that mark a key whose value is never shown (compared in lower case).
const SECRET_WORDS: [&str; 11] = [
    "secret",
    "signing_key",
    "certificate_key",
    "password",
    "passwd",
    "token",
    "authorization",
    "basic_auth",
    "private",
    "connection_string",
    "mac_key",
];
/// Keys under which values may be secrets (credentials sent to an upstream).
const SECRET_PARENTS: [&str; 5] =
    ["set_request_headers", "host_keys", "tls_client_key", "user_ca_key", "google_cloud_serverless"];

/// One source line and where to point in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The line, possibly shortened, without control characters and secrets.
    pub text: String,
    /// Characters before the caret.
    pub indent: usize,
    /// How many characters to underline, at least 1.
    pub width: usize,
}

/// The lines of a configuration file.
pub(super) struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lines(text.lines().collect())
    }

    /// The line of `spot`; what may hold a secret shows its key alone.
    pub(super) fn snippet(&self, spot: &Spot) -> Option<Snippet> {
        let index = usize::try_from(spot.line).ok()?.checked_sub(1)?;
        let line = *self.0.get(index)?;
        let column = usize::try_from(spot.column).ok()?.max(1) - 1;
        let width = (spot.width as usize).max(1);
        let shown = if self.is_secret(index) { masked(line)? } else { line };
        Some(window(shown, column.min(shown.chars().count()), width))
    }

    /// Whether the line, a line that it is nested under, or the one just before names a secret.
    fn is_secret(&self, index: usize) -> bool {
        if names_secret(self.0[index]) {
            return true;
        }
        let mut indent = indent_of(self.0[index]);
        let mut previous = true;
        for line in self.0[..index].iter().rev().filter(|l| !l.trim().is_empty()) {
            let outer = indent_of(line) < indent;
            if (outer || (previous && is_unfinished(line))) && names_secret(line) {
                return true;
            }
            indent = indent.min(indent_of(line));
            previous = false;
            if indent == 0 {
                break;
            }
        }
        false
    }
}

/// Whether the value that begins on this line may go on at the same indentation: it is empty, or a quote is open.
fn is_unfinished(line: &str) -> bool {
    let value = line.split_once(':').map_or(line, |(_, value)| value).trim();
    value.is_empty() || ['"', '\''].iter().any(|quote| value.matches(*quote).count() % 2 == 1)
}

/// Whether a key on this line names a secret, or a URL on it holds a password.
fn names_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let file_only = |at: usize, word: &str| lower[at + word.len()..].starts_with("_file");
    let names = |word: &&str| lower.match_indices(*word).any(|(at, _)| !file_only(at, word));
    SECRET_WORDS.iter().any(&names) || SECRET_PARENTS.iter().any(names) || holds_password(&lower) || is_armour(&lower)
}

fn holds_password(line: &str) -> bool {
    line.match_indices("://").any(|(at, _)| {
        let rest = &line[at + 3..];
        let authority = &rest[..rest.find(['/', ' ', '"', '\'']).unwrap_or(rest.len())];
        authority.contains('@')
    })
}

fn is_armour(line: &str) -> bool {
    line.contains("-----begin") || line.contains("ls0tls1crudjt")
}

/// The line up to the colon of its first key; `None` when nothing of it can be shown.
fn masked(line: &str) -> Option<&str> {
    let start = line.trim_start_matches([' ', '-']);
    let end = start.find(':')?;
    let key = &start[..end];
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| &line[..line.len() - start.len() + end + 1])
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-', '\t']).len()
}

/// At most [`WIDTH_MAX`] characters around `column`, control characters made harmless.
fn window(line: &str, column: usize, width: usize) -> Snippet {
    let start = column.saturating_sub(WIDTH_MAX / 2);
    let text: String = line.chars().skip(start).take(WIDTH_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let indent = column - start;
    let room = text.chars().count().saturating_sub(indent).max(1);
    Snippet { text: text.trim_end().to_owned(), indent, width: width.min(room) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: u32, column: u32) -> String {
        Lines::new(text).snippet(&Spot::at(line, column, 3)).map(|s| s.text).unwrap_or_default()
    }

    #[test]
    fn plain_lines_are_shown() {
        let text = "address: :443\nroutes:\n  - from: https://a.example\n";
        assert_eq!(shown(text, 3, 5), "  - from: https://a.example");
        assert_eq!(shown("shared_secret_file: /etc/x", 1, 1), "shared_secret_file: /etc/x");
        assert_eq!(shown(text, 9, 1), "");
        assert_eq!(shown(text, 0, 0), "");
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, line) in [
            ("shared_secret: hunter2", 1),
            ("Cookie_Secret: hunter2", 1),
            ("{\"idp_client_secret\": \"hunter2\", \"x\": 1}", 1),
            ("signing_key: |\n  hunter2\n  hunter2", 3),
            ("idp_client_secret:\n  \"hunter2\"", 2),
            ("idp_client_secret:\n\"hunter2\"", 2),
            ("idp_client_secret: \"\nhunter2\"", 2),
            ("set_request_headers:\n  X-Api: hunter2", 2),
            ("  set_request_headers: {X-Api: hunter2}", 1),
            ("to: https://me:hunter2@h", 1),
        ] {
            let shown = shown(text, line, 1);
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
        assert_eq!(shown("shared_secret: hunter2", 1, 16), "shared_secret:");
        assert_eq!(shown("shared_secret: hunter2\nadress: x", 2, 1), "adress: x");
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_control_characters_removed() {
        let text = format!("{}\u{1b}[31mX", "y".repeat(5000));
        let snippet = Lines::new(&text).snippet(&Spot::at(1, 5006, 1)).unwrap();
        assert!(snippet.text.chars().count() <= WIDTH_MAX);
        assert_eq!(snippet.text.chars().nth(snippet.indent), Some('X'));
        assert!(!snippet.text.contains('\u{1b}'));
    }
}
