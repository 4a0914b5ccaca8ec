//! One line being written: keys and values, in either format, within its bounds.

use std::fmt::{self, Debug, Display, Write};
use std::time::SystemTime;

use time::OffsetDateTime;
use tracing::field::{Field, Visit};

use super::Format;
use super::escape::Escaper;
use super::list::{LIST_MARK, SEPARATOR};
use super::object::{MEMBERS, OBJECT_MARK, VALUES};

/// Longest line, in bytes, with its line break.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Longest value, in bytes as written; what is longer is cut and marked.
pub const VALUE_BYTES_MAX: usize = 4096;
/// Kept free for the end of a line.
const TAIL_BYTES: usize = 64;

/// Fields written one after the other into a buffer. Fields that do not fit are left out and counted.
pub(super) struct Fields<'a> {
    format: Format,
    out: &'a mut Vec<u8>,
    /// Where `out` ends at the latest.
    end: usize,
    omitted: u32,
}

impl<'a> Fields<'a> {
    /// Appends to `out` until it holds `end` bytes.
    pub(super) fn new(format: Format, out: &'a mut Vec<u8>, end: usize) -> Self {
        Fields { format, out, end, omitted: 0 }
    }

    /// Appends fields that were written before (with the same format).
    pub(super) fn append(&mut self, written: &[u8]) {
        if self.out.len() + written.len() > self.end {
            self.omitted += 1;
        } else {
            self.out.extend_from_slice(written);
        }
    }

    /// Writes a key and, by `value`, its value; takes both back when they do not fit.
    fn field(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        match self.format {
            Format::Json => {
                self.out.extend_from_slice(b",\"");
                push_key(self.out, name);
                self.out.extend_from_slice(b"\":");
            }
            Format::Text if name == "message" => self.out.push(b' '),
            Format::Text => {
                self.out.push(b' ');
                push_key(self.out, name);
                self.out.push(b'=');
            }
        }
        value(self.out);
        if self.out.len() > self.end {
            self.out.truncate(start);
            self.omitted += 1;
        }
    }

    fn text(&mut self, name: &str, value: impl Display) {
        if let Some(name) = name.strip_suffix(LIST_MARK) {
            return self.list(name, &value.to_string());
        }
        if let Some(name) = name.strip_suffix(OBJECT_MARK) {
            return self.object(name, &value.to_string());
        }
        let bare = self.format == Format::Text && name == "message";
        self.field(name, |out| if bare { push_escaped(out, value) } else { push_string(out, value) });
    }

    fn list(&mut self, name: &str, joined: &str) {
        self.field(name, |out| push_list(out, joined.split(SEPARATOR).filter(|_| !joined.is_empty())));
    }

    fn object(&mut self, name: &str, joined: &str) {
        self.field(name, |out| {
            out.push(b'{');
            for (position, member) in joined.split(MEMBERS).filter(|_| !joined.is_empty()).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                let mut parts = member.split(VALUES);
                let key = parts.next().unwrap_or_default();
                push_string(out, key.trim_end_matches(LIST_MARK));
                out.push(b':');
                match key.ends_with(LIST_MARK) {
                    true => push_list(out, parts),
                    false => push_string(out, parts.next().unwrap_or_default()),
                }
            }
            out.push(b'}');
        });
    }

    fn plain(&mut self, name: &str, value: impl Display) {
        self.field(name, |out| push_plain(out, value));
    }
}

fn push_list<'i>(out: &mut Vec<u8>, items: impl Iterator<Item = &'i str>) {
    out.push(b'[');
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        push_string(out, item);
    }
    out.push(b']');
}

/// Starts a line: the level and the time.
pub(super) fn begin(format: Format, out: &mut Vec<u8>, level: tracing::Level, now: SystemTime) {
    match format {
        Format::Json => {
            out.extend_from_slice(b"{\"level\":\"");
            out.extend_from_slice(label(level).as_bytes());
            out.extend_from_slice(b"\",\"time\":\"");
            push_time(out, now);
            out.push(b'"');
        }
        Format::Text => {
            push_time(out, now);
            push_plain(out, format_args!(" {level:>5}"));
        }
    }
}

/// The fields of a line that [`begin`] began.
pub(super) fn fields(format: Format, out: &mut Vec<u8>) -> Fields<'_> {
    Fields::new(format, out, LINE_BYTES_MAX - TAIL_BYTES)
}

/// Ends the line, saying how many fields did not fit.
pub(super) fn finish(format: Format, out: &mut Vec<u8>, omitted: u32) {
    match (format, omitted) {
        (Format::Json, 0) => out.extend_from_slice(b"}\n"),
        (Format::Json, n) => push_plain(out, format_args!(",\"log-fields-omitted\":{n}}}\n")),
        (Format::Text, 0) => out.push(b'\n'),
        (Format::Text, n) => push_plain(out, format_args!(" log-fields-omitted={n}\n")),
    }
}

impl Fields<'_> {
    pub(super) fn omitted(&self) -> u32 {
        self.omitted
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field.name(), Chain(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field.name(), value);
        } else {
            self.text(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.text(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.text(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

/// Most causes told.
const CAUSES_MAX: usize = 8;

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |cause| cause.source());
        for cause in causes.take(CAUSES_MAX) {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

fn label(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::TRACE => "trace",
        tracing::Level::DEBUG => "debug",
        tracing::Level::INFO => "info",
        tracing::Level::WARN => "warn",
        tracing::Level::ERROR => "error",
    }
}

/// Names in code have underscores, keys have dashes. A field may not pose as one of the line's own keys.
fn push_key(out: &mut Vec<u8>, name: &str) {
    if matches!(name, "level" | "time") {
        out.extend_from_slice(b"field-");
    }
    out.extend(name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte }));
}

/// A quoted string.
fn push_string(out: &mut Vec<u8>, value: impl Display) {
    out.push(b'"');
    push_escaped(out, value);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, value: impl Display) {
    // The only error is that of a full escaper, which has left its mark.
    let _ = write!(Escaper::new(out, VALUE_BYTES_MAX), "{value}");
}

/// Numbers, booleans and texts of our own.
fn push_plain(out: &mut Vec<u8>, value: impl Display) {
    use std::io::Write;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// RFC 3339 in UTC with milliseconds.
fn push_time(out: &mut Vec<u8>, now: SystemTime) {
    let now = OffsetDateTime::from(now);
    let mut digits = |value: u32, width: usize, after: &[u8]| {
        let mut text = [b'0'; 4];
        let mut rest = value;
        for place in text[..width].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&text[..width]);
        out.extend_from_slice(after);
    };
    digits(now.year().unsigned_abs(), 4, b"-");
    digits(u8::from(now.month()).into(), 2, b"-");
    digits(now.day().into(), 2, b"T");
    digits(now.hour().into(), 2, b":");
    digits(now.minute().into(), 2, b":");
    digits(now.second().into(), 2, b".");
    digits(now.millisecond().into(), 3, b"Z");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_is_rfc_3339_with_milliseconds() {
        for (seconds, millis, text) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 7, "2000-02-28T23:59:59.007Z"),
            (1_700_000_000, 999, "2023-11-14T22:13:20.999Z"),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, SystemTime::UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
