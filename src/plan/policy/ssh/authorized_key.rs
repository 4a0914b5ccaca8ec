//! Lines of an `authorized_keys` file (sshd(8)): options, algorithm, key in base64, comment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Key, ListedKey};

/// The key of the first line that holds one. Options mean nothing here: who may do what is the policy's business.
pub(super) fn parse(text: &str) -> Option<ListedKey> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| key(line).or_else(|| key(behind_options(line)?))).next()
}

/// `ssh-ed25519 AAAA… comment`.
fn key(line: &str) -> Option<ListedKey> {
    let mut words = line.split_ascii_whitespace();
    let (algorithm, encoded) = (words.next()?, words.next()?);
    let wire = STANDARD.decode(encoded).ok()?;
    Key::parse(&wire).ok()?;
    let named = super::Reader::new(&wire).text()?;
    (named == algorithm).then(|| wire.into())
}

/// What follows the first space outside of quotes, in which a backslash may stand before a quote.
fn behind_options(line: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in line.char_indices() {
        match character {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(line[at..].trim_start()),
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    None
}
