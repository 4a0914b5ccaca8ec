//! How a forwarded request's path and host change on their way to the upstream.

use regex::Regex;

use super::PathRule;

/// Most bytes that a substitution may produce.
pub const REWRITTEN_BYTES_MAX: usize = 32 * 1024;

/// What becomes of the path; the query is kept.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// `prefix_rewrite`, or the path in `to`.
    Prefix(Box<str>),
    /// `regex_rewrite_pattern` and `regex_rewrite_substitution`.
    Regex(Substitution),
}

impl PathRewrite {
    /// The path that `path`, which `rule` matched, becomes; `None` when it would grow beyond
    /// [`REWRITTEN_BYTES_MAX`]. Not in normal form by itself: a prefix that ends amid a segment can make dot segments.
    pub fn apply(&self, rule: &PathRule, path: &str) -> Option<String> {
        match self {
            PathRewrite::Prefix(replacement) => {
                Some(replace_prefix(rule, replacement, path)).filter(|new| new.len() <= REWRITTEN_BYTES_MAX)
            }
            PathRewrite::Regex(substitution) => substitution.apply(path),
        }
    }
}

/// Which `Host` the upstream gets.
#[derive(Debug, Clone, Default)]
pub enum HostRewrite {
    /// The endpoint's own authority.
    #[default]
    Endpoint,
    /// The client's: `preserve_host_header`.
    Client,
    /// `host_rewrite`.
    Literal(Box<str>),
    /// `host_rewrite_header`: the value of this field (lower case); the client's when there is none.
    Field(Box<str>),
    /// `host_path_regex_rewrite_pattern` and `…_substitution`, upon the path that was asked for.
    Path(Substitution),
}

/// `replacement` in the place of what `rule` matched of `path`: a prefix, or all of it. Where both ends meet there is one
/// slash, neither none nor two.
pub fn replace_prefix(rule: &PathRule, replacement: &str, path: &str) -> String {
    let matched = match rule {
        PathRule::All => "/",
        PathRule::Prefix(prefix) => prefix,
        PathRule::Exact(_) | PathRule::Regex(_) => path,
    };
    let rest = path.strip_prefix(matched).unwrap_or_default();
    let (ends, begins) = (replacement.ends_with('/'), rest.starts_with('/'));
    match () {
        () if ends && begins => format!("{replacement}{}", &rest[1..]),
        () if !ends && !begins && !rest.is_empty() && matched.ends_with('/') => format!("{replacement}/{rest}"),
        () => format!("{replacement}{rest}"),
    }
}

/// A pattern, and what each of its matches becomes. The syntax is RE2's: `\1` to `\9` are groups, `\0` the whole match.
#[derive(Debug, Clone)]
pub struct Substitution {
    pattern: Regex,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Group(usize),
}

/// Why a substitution is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubstitutionError {
    #[error("a backslash must be followed by a digit or another backslash")]
    Escape,
    #[error("\\{0} refers to a group that the pattern does not have (it has {1})")]
    Group(usize, usize),
}

impl Substitution {
    pub fn new(pattern: Regex, text: &str) -> Result<Self, SubstitutionError> {
        let groups = pattern.captures_len() - 1;
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                literal.push(c);
                continue;
            }
            match chars.next() {
                Some('\\') => literal.push('\\'),
                Some(digit @ '0'..='9') => {
                    let group = digit as usize - '0' as usize;
                    if group > groups {
                        return Err(SubstitutionError::Group(group, groups));
                    }
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
                    }
                    pieces.push(Piece::Group(group));
                }
                _ => return Err(SubstitutionError::Escape),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Ok(Substitution { pattern, pieces })
    }

    /// `text` with every match replaced; `None` when it would grow beyond [`REWRITTEN_BYTES_MAX`].
    pub fn apply(&self, text: &str) -> Option<String> {
        let mut new = String::with_capacity(text.len());
        let mut done = 0;
        for captures in self.pattern.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            new.push_str(&text[done..whole.start()]);
            done = whole.end();
            for piece in &self.pieces {
                match piece {
                    Piece::Text(text) => new.push_str(text),
                    Piece::Group(group) => new.push_str(captures.get(*group).map_or("", |m| m.as_str())),
                }
            }
            if new.len() > REWRITTEN_BYTES_MAX {
                return None;
            }
        }
        new.push_str(&text[done..]);
        (new.len() <= REWRITTEN_BYTES_MAX).then_some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_join_at_one_slash() {
        let prefix = |p: &str| PathRule::Prefix(p.into());
        for (rule, replacement, path, expected) in [
            (prefix("/api"), "/v1", "/api/users", "/v1/users"),
            (prefix("/api"), "/v1", "/api", "/v1"),
            (prefix("/api"), "/v1/", "/api/users", "/v1/users"),
            (prefix("/api"), "/", "/api/users", "/users"),
            (prefix("/api"), "/", "/api", "/"),
            (prefix("/api/"), "/v1", "/api/users", "/v1/users"),
            (prefix("/api/"), "/", "/api/users", "/users"),
            (prefix("/api"), "/v1", "/apis", "/v1s"),
            (prefix("/"), "/base", "/x", "/base/x"),
            (PathRule::All, "/base", "/x/", "/base/x/"),
            (PathRule::All, "/base/", "/x", "/base/x"),
            (PathRule::All, "/base", "/", "/base"),
            (PathRule::Exact("/a".into()), "/b", "/a", "/b"),
            (PathRule::Regex(Regex::new("^/a.*$").unwrap()), "/b", "/abc", "/b"),
        ] {
            assert_eq!(replace_prefix(&rule, replacement, path), expected, "{rule:?} {replacement} {path}");
        }
    }

    fn substitution(pattern: &str, text: &str) -> Result<Substitution, SubstitutionError> {
        Substitution::new(Regex::new(pattern).unwrap(), text)
    }

    #[test]
    fn groups_and_escapes_are_those_of_re2() {
        for (pattern, text, input, expected) in [
            ("^/service/([^/]+)(/.*)$", r"\2/instance/\1", "/service/foo/v1/api", "/v1/api/instance/foo"),
            ("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"),
            ("^(.*?)one(.*)$", r"\1two\2", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/one/zzz"),
            ("(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb"),
            ("a(b)?c", r"[\1\0]", "/ac", "/[ac]"),
            ("a", r"\\1", "/a", r"/\1"),
            ("a", "$1", "/a", "/$1"),
            ("nothing", "x", "/a", "/a"),
            ("", "-", "/a", "-/-a-"),
        ] {
            assert_eq!(
                substitution(pattern, text).unwrap().apply(input).as_deref(),
                Some(expected),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn what_re2_would_not_take_is_refused() {
        assert_eq!(substitution("a", r"\1").unwrap_err(), SubstitutionError::Group(1, 0));
        assert_eq!(substitution("(a)", r"\x").unwrap_err(), SubstitutionError::Escape);
        assert_eq!(substitution("(a)", "x\\").unwrap_err(), SubstitutionError::Escape);
    }

    #[test]
    fn growth_is_bounded() {
        let grow = substitution("a", &"b".repeat(1024)).unwrap();
        assert_eq!(grow.apply(&"a".repeat(33)), None);
        assert_eq!(grow.apply(&"a".repeat(32)).unwrap().len(), REWRITTEN_BYTES_MAX);
        let rule = PathRule::Exact("/".into());
        assert_eq!(PathRewrite::Prefix("/".repeat(REWRITTEN_BYTES_MAX + 1).into()).apply(&rule, "/"), None);
    }
}
