//! Segments: dots, doubled slashes, parameters (RFC 3986 sections 3.3 and 5.2.4).

use super::PathError;

/// Whether the segment at the start of `rest` (behind a slash) needs the slow road: empty where slashes are merged,
/// a dot segment, or one of parameters only.
pub(super) fn is_special(rest: &[u8], merge_slashes: bool) -> bool {
    match rest {
        [b'/', ..] => merge_slashes,
        [b';', ..] => true,
        [b'.'] | [b'.', b'/' | b';', ..] => true,
        [b'.', b'.'] | [b'.', b'.', b'/' | b';', ..] => true,
        _ => false,
    }
}

/// What becomes of dot segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dots {
    /// [`resolve`] takes them away.
    Resolved,
    /// They would go on as they are, so there may be none.
    LeftAlone,
    /// An escaped slash was kept, which looks like a real one in what is checked: there may be none either.
    BesideSlash,
}

impl Dots {
    /// The same, where an escaped slash is kept.
    pub(super) fn beside_slash(self) -> Self {
        match self {
            Dots::LeftAlone => Dots::LeftAlone,
            Dots::Resolved | Dots::BesideSlash => Dots::BesideSlash,
        }
    }

    fn check(self) -> Result<(), PathError> {
        match self {
            Dots::Resolved => Ok(()),
            Dots::LeftAlone => Err(PathError::Dots),
            Dots::BesideSlash => Err(PathError::EscapedSlash),
        }
    }
}

/// Refuses what servers read in different ways. `meaning` is the decoded path.
pub(super) fn check(meaning: &str, rule: Dots) -> Result<(), PathError> {
    if meaning.contains(is_like_slash) {
        return Err(PathError::Lookalike);
    }
    let mut parts = meaning.split(['/', '\\']).peekable();
    while let Some(part) = parts.next() {
        let (head, parameters) = match part.split_once(';') {
            Some((head, _)) => (head, true),
            None => (part, false),
        };
        if is_like_dots(head) {
            return Err(PathError::Lookalike);
        }
        let dots = matches!(head, "." | "..");
        // `/;x/admin` is `//admin` to a server that drops parameters, `/..;/` is `/../`. `/;jsessionid=1` is honest.
        if parameters && (dots || head.is_empty() && parts.peek().is_some()) {
            return Err(PathError::Parameters);
        }
        if dots {
            rule.check()?;
        }
    }
    Ok(())
}

/// The path without dot segments. `..` at the root stays at the root.
pub(super) fn resolve(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut parts = text.get(1..).unwrap_or_default().split(|&byte| byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            b"." | b".." => {
                if part == b".." {
                    out.truncate(memchr::memrchr(b'/', &out).unwrap_or(0));
                }
                if last {
                    out.push(b'/');
                }
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
    }
    out
}

pub(super) fn merge_slashes(text: &mut Vec<u8>) {
    text.dedup_by(|next, kept| *next == b'/' && *kept == b'/');
}

/// Leaves exactly one slash at the start.
pub(super) fn trim_leading_slashes(text: &mut Vec<u8>) {
    let extra = text.iter().take_while(|&&byte| byte == b'/').count().saturating_sub(1);
    text.drain(..extra);
}

/// Whether some server takes the segment, or what a best-fit code page makes a segment, for dots: by compatibility
/// folding, or by dropping the spaces around it.
fn is_like_dots(segment: &str) -> bool {
    let foreign = !segment.is_ascii();
    segment.split(is_slash_somewhere).any(|part| {
        let bare = part.trim_matches(' ');
        (foreign || bare.len() < part.len()) && !bare.is_empty() && bare.chars().all(is_like_dot)
    })
}

/// Characters that compatibility folding turns into a full stop.
fn is_like_dot(character: char) -> bool {
    matches!(character, '.' | '\u{2024}' | '\u{2025}' | '\u{fe52}' | '\u{ff0e}')
}

/// Characters that compatibility folding or a best-fit code page turns into a slash or a backslash.
fn is_like_slash(character: char) -> bool {
    matches!(
        character,
        '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' | '\u{fe68}' | '\u{ff0f}' | '\u{ff3c}'
    )
}

/// Signs of yen and won: backslashes on Japanese and Korean code pages, and honest characters elsewhere.
fn is_slash_somewhere(character: char) -> bool {
    matches!(character, '\u{a5}' | '\u{20a9}')
}
