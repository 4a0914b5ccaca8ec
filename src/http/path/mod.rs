//! The path of a request brought to one normal form; only that form is matched, authorized, logged and forwarded.
//!
//! Rules: RFC 3986 sections 2.4 and 6.2.2, narrowed to what honest clients send. What two servers could read in two
//! ways is refused rather than guessed at. The common path (no escape, no dot segment, no double slash) costs one pass
//! over its bytes and no allocation.

mod escape;
mod segments;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use segments::Dots;

/// How paths are normalised: `normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
    /// Resolve dot segments and bring escapes to their normal spelling. Off, what is ambiguous is refused, dot segments
    /// among it: routes and policies would see them, and the upstream resolve them.
    pub normalize: bool,
    pub merge_slashes: bool,
    pub escaped_slashes: EscapedSlashes,
}

/// What is done about `%2F` and `%5C` in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscapedSlashes {
    Keep,
    #[default]
    Reject,
    /// Decoded, and the client is sent to the decoded path.
    UnescapeAndRedirect,
    UnescapeAndForward,
}

impl Default for PathRules {
    fn default() -> Self {
        PathRules { normalize: true, merge_slashes: true, escaped_slashes: EscapedSlashes::Reject }
    }
}

/// Why a path was refused (or, for `Redirect`, why it is not served in this spelling).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not start with a slash")]
    NotAbsolute,
    #[error("the path holds byte {0:#04x}, which no path may hold")]
    Byte(u8),
    #[error("a percent sign in the path is not followed by two hexadecimal digits")]
    Escape,
    #[error("the path holds the escaped control character {0:#04x}")]
    EscapedControl(u8),
    #[error("the path holds an escaped slash or backslash")]
    EscapedSlash,
    #[error("the path holds a dot segment, and normalize_path is off: nobody has resolved it")]
    Dots,
    #[error("the path holds a dot, a slash or a control character that was escaped twice")]
    EscapedTwice,
    #[error("the decoded path is not UTF-8")]
    Utf8,
    #[error("the path holds a character that some servers take for a dot or a slash")]
    Lookalike,
    #[error("the path has parameters on a segment that vanishes when they are removed")]
    Parameters,
    /// Not served here: ask for this path (normal form, exactly one leading slash, no query). Only with
    /// [`EscapedSlashes::UnescapeAndRedirect`].
    #[error("the path holds an escaped slash; it is served as {0}")]
    Redirect(String),
}

/// A path in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'a> {
    encoded: Cow<'a, str>,
    escapes: bool,
}

impl<'a> Path<'a> {
    /// The form that is matched and forwarded: starts with `/`, ASCII, escapes in upper case.
    pub fn as_str(&self) -> &str {
        &self.encoded
    }

    /// The same as [`Path::as_str`], borrowed from the request where the client sent the normal form.
    pub fn into_encoded(self) -> Cow<'a, str> {
        self.encoded
    }

    /// The percent-decoded form, for policies. Allocates only if the path holds an escape.
    pub fn decoded(&self) -> Cow<'_, str> {
        match self.escapes {
            false => Cow::Borrowed(&self.encoded),
            // `normalize` let nothing but UTF-8 through, so nothing is lost here.
            true => Cow::Owned(String::from_utf8_lossy(&escape::decoded(self.encoded.as_bytes())).into_owned()),
        }
    }
}

/// The normal form of `raw`, the path of an origin-form target (what stands before `?`).
///
/// `normalize(normalize(x)) == normalize(x)` for every `x` that is not refused. `..` above the root stays at the root
/// (RFC 3986 section 5.2.4), as in Envoy.
pub fn normalize<'a>(raw: &'a [u8], rules: &PathRules) -> Result<Path<'a>, PathError> {
    if raw.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(raw, rules)? {
        return Ok(Path { encoded: Cow::Borrowed(ascii(raw)?), escapes: false });
    }
    rebuild(raw, rules)
}

/// `raw` with its escapes as the normal form spells them and its segments as they are: what a rule must look like that is
/// compared with normal paths. Escaped slashes are those of [`EscapedSlashes::Keep`].
pub fn spell(raw: &[u8], rules: &PathRules) -> Result<String, PathError> {
    let rules = PathRules { escaped_slashes: EscapedSlashes::Keep, ..*rules };
    ascii(&escape::spell(raw, &rules)?.text).map(str::to_owned)
}

/// Whether `query` (what stands behind `?`, or empty) may be forwarded as it is: no control bytes, no space, no `#`,
/// nothing outside ASCII.
pub fn query_is_clean(query: &[u8]) -> bool {
    query.iter().all(|&byte| matches!(byte, 0x21..=0x7e) && byte != b'#')
}

/// Whether the path is in normal form by its looks alone; `false` asks for the slow road.
fn is_plain(raw: &[u8], rules: &PathRules) -> Result<bool, PathError> {
    for (at, &byte) in raw.iter().enumerate() {
        match CLASSES[byte as usize] {
            Class::Plain => {}
            Class::Slash => {
                let rest = raw.get(at + 1..).unwrap_or_default();
                if segments::is_special(rest, rules.merge_slashes) {
                    return Ok(false);
                }
            }
            Class::Percent | Class::Encode => return Ok(false),
            Class::Refuse => return Err(PathError::Byte(byte)),
        }
    }
    Ok(true)
}

/// The slow road: spell the escapes, look at what they hide, resolve the segments.
fn rebuild<'a>(raw: &'a [u8], rules: &PathRules) -> Result<Path<'a>, PathError> {
    let spelt = escape::spell(raw, rules)?;
    let mut dots = if rules.normalize { Dots::Resolved } else { Dots::LeftAlone };
    if spelt.slashes_kept {
        dots = dots.beside_slash();
    }
    let once = escape::decoded(&spelt.text);
    segments::check(std::str::from_utf8(&once).map_err(|_| PathError::Utf8)?, dots)?;
    escape::check_further(once, rules.escaped_slashes, dots)?;

    let mut text = spelt.text;
    if rules.normalize {
        text = segments::resolve(&text);
    }
    if rules.merge_slashes {
        segments::merge_slashes(&mut text);
    }
    if spelt.slashes_undone && rules.escaped_slashes == EscapedSlashes::UnescapeAndRedirect {
        // A target of `//host` would lead to another site.
        segments::trim_leading_slashes(&mut text);
        return Err(PathError::Redirect(ascii(&text)?.to_owned()));
    }
    let escapes = memchr::memchr(b'%', &text).is_some();
    let encoded = match text == raw {
        true => Cow::Borrowed(ascii(raw)?),
        false => Cow::Owned(ascii(&text)?.to_owned()),
    };
    Ok(Path { encoded, escapes })
}

/// `bytes` as text; every caller has already refused what is not ASCII.
fn ascii(bytes: &[u8]) -> Result<&str, PathError> {
    std::str::from_utf8(bytes).map_err(|_| PathError::Utf8)
}

/// What a raw byte of a path asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `pchar` of RFC 3986 without the escapes.
    Plain,
    Slash,
    Percent,
    /// Outside the grammar, but sent raw by browsers or by curl: forwarded as an escape.
    Encode,
    /// Controls, space, `#`, `?`, backslash, and everything outside ASCII.
    Refuse,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Refuse; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' => Class::Encode,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => Class::Plain,
            other if escape::is_unreserved(other) => Class::Plain,
            _ => Class::Refuse,
        };
        byte += 1;
    }
    table
}
