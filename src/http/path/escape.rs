//! Percent escapes: their one spelling, and what hides behind them (RFC 3986 sections 2.1 and 6.2.2).

use super::segments::{self, Dots};
use super::{CLASSES, Class, EscapedSlashes, PathError, PathRules};

/// Rounds of decoding beyond the first that a path is looked at for; one that still holds escapes then is refused.
const FURTHER_ROUNDS_MAX: usize = 8;

/// A path whose escapes are spelt in the one normal way.
pub(super) struct Spelt {
    pub(super) text: Vec<u8>,
    /// `%2F` or `%5C` stands in the text.
    pub(super) slashes_kept: bool,
    /// `%2F` or `%5C` became `/`.
    pub(super) slashes_undone: bool,
}

/// RFC 3986 section 2.3: characters whose escaped and raw forms mean the same.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Spells every escape in the normal way: unreserved characters raw, all others as upper-case hexadecimal. With
/// `rules.normalize` off the spelling stays, but the same things are refused.
pub(super) fn spell(raw: &[u8], rules: &PathRules) -> Result<Spelt, PathError> {
    let mut spelt = Spelt { text: Vec::with_capacity(raw.len() + 8), slashes_kept: false, slashes_undone: false };
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        match CLASSES[byte as usize] {
            Class::Plain | Class::Slash => spelt.text.push(byte),
            Class::Encode => push_escape(&mut spelt.text, byte),
            Class::Refuse => return Err(PathError::Byte(byte)),
            Class::Percent => {
                let digits = raw.get(at + 1..at + 3).unwrap_or_default();
                let value = value_of(digits).ok_or(PathError::Escape)?;
                spell_escape(&mut spelt, value, digits, rules)?;
                at += 2;
            }
        }
        at += 1;
    }
    Ok(spelt)
}

fn spell_escape(spelt: &mut Spelt, value: u8, digits: &[u8], rules: &PathRules) -> Result<(), PathError> {
    match value {
        0..=0x1f | 0x7f => return Err(PathError::EscapedControl(value)),
        b'/' | b'\\' => match rules.escaped_slashes {
            EscapedSlashes::Reject => return Err(PathError::EscapedSlash),
            EscapedSlashes::Keep => spelt.slashes_kept = true,
            EscapedSlashes::UnescapeAndForward | EscapedSlashes::UnescapeAndRedirect => {
                spelt.slashes_undone = true;
                spelt.text.push(b'/');
                return Ok(());
            }
        },
        _ => {}
    }
    if !rules.normalize {
        spelt.text.push(b'%');
        spelt.text.extend_from_slice(digits);
    } else if is_unreserved(value) {
        spelt.text.push(value);
    } else {
        push_escape(&mut spelt.text, value);
    }
    Ok(())
}

/// Looks at what a server reads that decodes more often than once. Where an escaped dot, slash, backslash or control
/// character comes to light, or what [`segments::check`] refuses, the path is refused. Slashes are let through where
/// those that are escaped once are ([`EscapedSlashes::Keep`]): some applications name things that way.
pub(super) fn check_further(once: Vec<u8>, slashes: EscapedSlashes, mut dots: Dots) -> Result<(), PathError> {
    let mut text = once;
    for _ in 0..FURTHER_ROUNDS_MAX {
        match hidden(&text, slashes)? {
            Hidden::Nothing => return Ok(()),
            Hidden::Harmless => {}
            Hidden::Slash => dots = dots.beside_slash(),
        }
        text = decoded(&text);
        segments::check(&String::from_utf8_lossy(&text), dots)?;
    }
    Err(PathError::EscapedTwice)
}

/// What the next round of decoding brings to light.
enum Hidden {
    /// There is no escape left.
    Nothing,
    Harmless,
    /// A slash or a backslash, where such are kept.
    Slash,
}

fn hidden(text: &[u8], slashes: EscapedSlashes) -> Result<Hidden, PathError> {
    let mut found = Hidden::Nothing;
    for at in memchr::memchr_iter(b'%', text) {
        match value_of(text.get(at + 1..at + 3).unwrap_or_default()) {
            None => {}
            Some(b'/' | b'\\') if slashes == EscapedSlashes::Keep => found = Hidden::Slash,
            Some(b'.' | b'/' | b'\\' | 0..=0x1f | 0x7f) => return Err(PathError::EscapedTwice),
            Some(_) if matches!(found, Hidden::Nothing) => found = Hidden::Harmless,
            Some(_) => {}
        }
    }
    Ok(found)
}

/// One round of percent-decoding. Escapes that are not well-formed stay as they are.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        match value_of(escape.get(1..3).unwrap_or_default()) {
            Some(value) => {
                out.push(value);
                rest = &escape[3..];
            }
            None => {
                out.push(b'%');
                rest = &escape[1..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

fn push_escape(text: &mut Vec<u8>, value: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.extend_from_slice(&[b'%', DIGITS[usize::from(value >> 4)], DIGITS[usize::from(value & 0xf)]]);
}

/// The value of exactly two hexadecimal digits.
fn value_of(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
