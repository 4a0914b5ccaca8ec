//! Text for a terminal: colours where they are wanted, and nothing that could drive it.

use std::borrow::Cow;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Error,
    Warning,
    Good,
    Strong,
    /// Line numbers, arrows, bars.
    Line,
    Help,
    /// What is there for completeness.
    Faint,
}

/// Puts colours around text, or not.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    pub fn on(self, style: Style, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match style {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Good => "1;32",
            Style::Strong => "1",
            Style::Line => "1;34",
            Style::Help => "1;36",
            Style::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The text without characters that could drive a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    match text.chars().any(char::is_control) {
        true => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        false => text.into(),
    }
}
