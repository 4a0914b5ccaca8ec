//! The path of a request brought to one normal form; only that form is matched, authorized, logged and forwarded.

/// How paths are normalised: `normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
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
