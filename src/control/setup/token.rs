//! The one-time token of the set-up page: shown on the console, good for one configuration, with few tries.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Wrong tokens until the page closes; a restart opens it again with another token.
pub const TRIES_MAX: u32 = 20;
/// No letter that looks like another one.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 20 letters of 5 bits: a hundred bits.
const LENGTH: usize = 20;
/// Letters between two dashes, for who types them.
const GROUP: usize = 5;

/// A token and how often it may still be tried.
pub struct Token {
    letters: String,
    left: Mutex<u32>,
}

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong {
        left: u32,
    },
    /// Too many were wrong.
    Closed,
}

impl Token {
    pub fn random() -> Token {
        let bytes: [u8; LENGTH] = crate::crypto::random_bytes();
        // 256 is a multiple of 32, so no letter is likelier than another.
        let letters = bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)] as char).collect();
        Token { letters, left: Mutex::new(TRIES_MAX) }
    }

    /// As the console shows it: `ABCDE-FGHJK-…`.
    pub fn shown(&self) -> String {
        let groups: Vec<&str> = (0..LENGTH).step_by(GROUP).map(|at| &self.letters[at..at + GROUP]).collect();
        groups.join("-")
    }

    /// One try. Case, dashes and spaces do not matter.
    pub(super) fn check(&self, typed: &str) -> Verdict {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return Verdict::Closed;
        }
        let letters = typed.chars().filter(|c| !matches!(c, '-' | ' ')).take(LENGTH + 1);
        let typed = letters.collect::<String>().to_ascii_uppercase();
        if verify_slices_are_equal(typed.as_bytes(), self.letters.as_bytes()).is_ok() {
            return Verdict::Right;
        }
        *left -= 1;
        if *left == 0 { Verdict::Closed } else { Verdict::Wrong { left: *left } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_as_shown_and_as_people_type_it() {
        let token = Token::random();
        let shown = token.shown();
        assert_eq!(shown.len(), LENGTH + LENGTH / GROUP - 1);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(token.check(&typed), Verdict::Right, "{typed}");
        }
        assert_ne!(Token::random().shown(), shown);
    }

    #[test]
    fn tries_are_counted_and_end() {
        let token = Token::random();
        let longer = format!("{}A", token.shown());
        for left in (1..TRIES_MAX).rev() {
            let typed = if left % 2 == 0 { longer.as_str() } else { "" };
            assert_eq!(token.check(typed), Verdict::Wrong { left });
        }
        assert_eq!(token.check("x"), Verdict::Closed);
        assert_eq!(token.check(&token.shown()), Verdict::Closed, "the right one comes too late");
    }
}
