//! Fields that the client's table holds because we put them there: an answer that looks like the one before it costs a
//! byte for each of them, and neither sealing nor copying.
//!
//! Nothing is ever evicted. What is full stays as it is: a table that turns over costs more than it saves, and its state
//! is one less thing that both sides could see differently.

use super::statics;
use crate::http::fields;

/// Most bytes that are used of the client's table, each entry counted as RFC 7541 section 4.1 does.
const TABLE_BYTES: usize = 2048;
/// A table that may be smaller than this, the size that every client starts with (RFC 9113 section 6.5.2), is not used.
pub const CLIENT_BYTES_MIN: u32 = 4096;
const ENTRY_OVERHEAD: usize = 32;
const ENTRIES_MAX: usize = 32;
/// Longer values seldom come twice.
const VALUE_BYTES_MAX: usize = 256;
/// Places by which entries are found; later ones take the place of earlier ones.
const PLACES: usize = 64;
/// The first index behind the static table.
const FIRST: usize = statics::COUNT + 1;

/// Names of the static table whose values repeat from answer to answer and hold nobody's secret.
const REPEATED: &[&[u8]] = &[
    b"accept-ranges",
    b"access-control-allow-origin",
    b"cache-control",
    b"content-encoding",
    b"content-language",
    b"content-type",
    b"server",
    b"strict-transport-security",
    b"vary",
    b"via",
];
/// The same, of names that are not in the static table. A content-security-policy is not among them: it may hold a nonce.
const REPEATED_UNLISTED: &[&[u8]] = &[
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"permissions-policy",
    b"referrer-policy",
    b"x-content-type-options",
    b"x-frame-options",
    b"x-powered-by",
    b"x-xss-protection",
];
/// [`REPEATED`] by static index.
static REPEATS: [bool; FIRST] = {
    let mut repeats = [false; FIRST];
    let mut at = 0;
    while at < REPEATED.len() {
        repeats[statics::index(REPEATED[at])] = true;
        at += 1;
    }
    repeats
};

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u16,
    name: u8,
    value: u16,
}

/// What was put into the client's table.
#[derive(Debug)]
pub struct Sent {
    /// Names in lower case and values, side by side.
    run: Vec<u8>,
    entries: Vec<Entry>,
    size: usize,
    /// Where the entry may be that looks alike: its position and one; 0: there is none.
    places: [u8; PLACES],
}

impl Sent {
    pub fn new() -> Self {
        Sent { run: Vec::new(), entries: Vec::new(), size: 0, places: [0; PLACES] }
    }

    /// The index of this very field, its name in any case.
    #[inline]
    pub fn find(&self, name: &[u8], value: &[u8]) -> Option<usize> {
        let at = usize::from(self.places[place(name, value)]).checked_sub(1)?;
        let Entry { start, name: name_length, value: value_length } = self.entries[at];
        let (known_name, rest) = self.run[usize::from(start)..].split_at(usize::from(name_length));
        let same = fields::is_named(name, known_name) && rest[..usize::from(value_length)] == *value;
        same.then(|| FIRST + self.entries.len() - 1 - at)
    }

    /// Notes a field, whose name the static table has at `index` (0: it has not), if it is worth a place and has one; the
    /// client must be told to note it, too.
    pub fn note(&mut self, index: usize, name: &[u8], value: &[u8]) -> bool {
        let repeats = match index {
            0 => REPEATED_UNLISTED.iter().any(|known| fields::is_named(name, known)),
            _ => REPEATS[index],
        };
        let cost = name.len() + value.len() + ENTRY_OVERHEAD;
        let has_room = self.entries.len() < ENTRIES_MAX && self.size + cost <= TABLE_BYTES;
        if !repeats || !has_room || value.len() > VALUE_BYTES_MAX {
            return false;
        }
        // All of them fit: the table is smaller than what the types hold.
        let entry = Entry { start: self.run.len() as u16, name: name.len() as u8, value: value.len() as u16 };
        self.run.extend(name.iter().map(u8::to_ascii_lowercase));
        self.run.extend_from_slice(value);
        self.size += cost;
        self.entries.push(entry);
        self.places[place(name, value)] = self.entries.len() as u8;
        true
    }
}

/// By the lengths and one letter of each; the letter's case does not count.
#[inline]
fn place(name: &[u8], value: &[u8]) -> usize {
    let letter = |text: &[u8]| text.last().map_or(0, |byte| usize::from(byte | 0x20));
    (name.len() * 7 + letter(name) * 3 + value.len() * 13 + letter(value)) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(sent: &mut Sent, name: &[u8], value: &[u8]) -> bool {
        sent.note(statics::find(name), name, value)
    }

    #[test]
    fn what_is_noted_is_found_and_nothing_else() {
        let mut sent = Sent::new();
        assert!(note(&mut sent, b"Server", b"nginx") && note(&mut sent, b"vary", b"accept"));
        for (name, value, index) in [
            (&b"server"[..], &b"nginx"[..], Some(63)),
            (b"SERVER", b"nginx", Some(63)),
            (b"Vary", b"accept", Some(62)),
            (b"server", b"Nginx", None),
            (b"server", b"ngin", None),
            (b"serve2", b"nginx", None),
            (b"", b"", None),
        ] {
            assert_eq!(sent.find(name, value), index, "{}", name.escape_ascii());
        }
        assert!(
            !note(&mut sent, b"set-cookie", b"a=b")
                && !note(&mut sent, b"location", b"/")
                && !note(&mut sent, b"date", b"x")
        );
    }

    #[test]
    fn it_fills_up_and_stays() {
        let mut sent = Sent::new();
        let values: Vec<String> = (0..200).map(|n| format!("value-{n}-{}", "x".repeat(n % 90))).collect();
        let noted = values.iter().filter(|value| note(&mut sent, b"content-type", value.as_bytes())).count();
        assert!((10..=ENTRIES_MAX).contains(&noted) && sent.size <= TABLE_BYTES);
        assert!(!note(&mut sent, b"vary", &[b'x'; VALUE_BYTES_MAX]));
        let found = values.iter().filter_map(|value| sent.find(b"content-type", value.as_bytes()));
        assert!(found.inspect(|index| assert!((FIRST..FIRST + noted).contains(index))).count() > 0);
    }
}
