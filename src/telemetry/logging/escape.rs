//! Text on its way into a log line: escaped as JSON strings are, and cut at a limit.
//!
//! Beyond what JSON asks for, DEL, the C1 controls, line separators and the marks that turn or hide text are escaped
//! too, so that a line shows in a terminal what it holds.

use std::fmt;

/// Ends a value that was cut.
pub(super) const CUT_MARK: &str = "…[cut]";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Escapes what is written to it into `out`, until `out` would exceed `end` bytes; then the mark is added (beyond
/// `end`) and every further write fails.
pub(super) struct Escaper<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
    full: bool,
}

impl<'a> Escaper<'a> {
    /// Lets at most `limit` bytes into `out`, not counting the mark.
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        let end = out.len() + limit;
        Escaper { out, end, full: false }
    }

    fn push(&mut self, bytes: &[u8]) -> fmt::Result {
        if self.full || bytes.len() > self.end.saturating_sub(self.out.len()) {
            return self.cut();
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn push_plain(&mut self, run: &[u8]) -> fmt::Result {
        let room = if self.full { 0 } else { self.end.saturating_sub(self.out.len()) };
        if run.len() > room {
            // The run is ASCII: any place is a boundary.
            self.out.extend_from_slice(&run[..room]);
            return self.cut();
        }
        self.out.extend_from_slice(run);
        Ok(())
    }

    fn cut(&mut self) -> fmt::Result {
        if !self.full {
            self.full = true;
            self.out.extend_from_slice(CUT_MARK.as_bytes());
        }
        Err(fmt::Error)
    }

    fn push_special(&mut self, c: char) -> fmt::Result {
        match c {
            '"' => self.push(b"\\\""),
            '\\' => self.push(b"\\\\"),
            '\n' => self.push(b"\\n"),
            '\r' => self.push(b"\\r"),
            '\t' => self.push(b"\\t"),
            c if is_hidden(c) => {
                let code = c as u32 as usize;
                let digit = |shift: usize| HEX[(code >> shift) & 0xf];
                self.push(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)])
            }
            c => self.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

impl fmt::Write for Escaper<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while !rest.is_empty() {
            let plain = rest.bytes().position(is_special).unwrap_or(rest.len());
            self.push_plain(&rest.as_bytes()[..plain])?;
            // `plain` stands before an ASCII byte or the first byte of a character.
            rest = &rest[plain..];
            let mut characters = rest.chars();
            if let Some(c) = characters.next() {
                self.push_special(c)?;
                rest = characters.as_str();
            }
        }
        Ok(())
    }
}

/// Whether a byte needs a look: it is escaped, or belongs to a character outside of ASCII.
fn is_special(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\'
}

/// Controls, and characters that reorder, hide or break lines. All of them lie in the basic plane.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn escaped(text: &str, limit: usize) -> String {
        let mut out = b"\"".to_vec();
        let _ = Escaper::new(&mut out, limit).write_str(text);
        out.push(b'"');
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_gives_the_text_back_and_no_control_is_left() {
        let nasty = "a\"b\\c\n\r\t\0\u{1b}[31mx\u{7f}\u{85}\u{9b}é日😀\u{202e}gnp.\u{2028}\u{feff}";
        let line = escaped(nasty, 1000);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), nasty);
        assert!(!line.chars().any(is_hidden), "{line:?}");
        assert!(line.contains("é日😀"), "{line}");
    }

    #[test]
    fn cut_at_every_limit_without_breaking_an_escape() {
        let text = "ab\n\u{1}é😀\"z".repeat(3);
        for limit in 0..escaped(&text, 1000).len() - 2 {
            let line = escaped(&text, limit);
            assert!(line.len() <= limit + 2 + CUT_MARK.len(), "{limit}");
            let back: String = serde_json::from_str(&line).unwrap();
            assert!(text.starts_with(back.strip_suffix(CUT_MARK).unwrap()), "{limit}: {back:?}");
        }
    }

    #[test]
    fn a_full_escaper_stays_full() {
        let mut out = Vec::new();
        let mut escaper = Escaper::new(&mut out, 2);
        assert!(escaper.write_str("abc").is_err());
        assert!(escaper.write_str("d").is_err());
        assert_eq!(out, format!("ab{CUT_MARK}").as_bytes());
    }
}
