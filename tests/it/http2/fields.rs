//! Header blocks in the plainest form of HPACK (RFC 7541): what is sent is literal; what is read may name the static table.

/// Names and values, in order.
pub type Fields = Vec<(String, String)>;

/// The static table (RFC 7541 appendix A); index 1 is at position 0.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// Each field as a literal that is not indexed, nothing compressed.
pub fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            write_length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length in a prefix of seven bits (section 5.1).
fn write_length(length: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(127) else { return block.push(length as u8) };
    block.push(127);
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// The table that the server fills (section 2.3.2), which must never have to forget anything.
#[derive(Default)]
pub struct Table(Vec<(String, String)>);

/// What every client's table holds (RFC 9113 section 6.5.2), and what an entry costs besides its bytes.
const TABLE_BYTES: usize = 4096;
const ENTRY_OVERHEAD: usize = 32;

impl Table {
    /// Reads a block of a server that sends its text plain, as ours does. All blocks of a connection must be read, in order.
    pub fn decode(&mut self, mut block: &[u8]) -> Fields {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            match first {
                0x80.. => {
                    let index = read_number(&mut block, 7);
                    fields.push(self.at(index));
                }
                0x20..=0x3f => {
                    assert_eq!(read_number(&mut block, 5), 0, "the size of the table");
                    self.0.clear();
                }
                _ => {
                    let name = match read_number(&mut block, if first >= 0x40 { 6 } else { 4 }) {
                        0 => read_text(&mut block),
                        index => self.at(index).0,
                    };
                    assert!(!name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase()), "{name:?}");
                    fields.push((name, read_text(&mut block)));
                    if first >= 0x40 {
                        self.0.extend(fields.last().cloned());
                    }
                }
            }
        }
        let size: usize = self.0.iter().map(|(name, value)| name.len() + value.len() + ENTRY_OVERHEAD).sum();
        assert!(size <= TABLE_BYTES, "a table of {size} bytes");
        fields
    }

    fn at(&self, index: usize) -> (String, String) {
        match STATIC.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.0[self.0.len() + STATIC.len() - index].clone(),
        }
    }
}

/// The status in the first block of a response, which is in the static table or plain.
pub fn status(block: &[u8]) -> Option<u16> {
    let mut rest = block;
    match rest.first()? {
        0x80.. => STATIC[read_number(&mut rest, 7) - 1].1.parse().ok(),
        _ => {
            assert_eq!(STATIC[read_number(&mut rest, 4) - 1].0, ":status");
            read_text(&mut rest).parse().ok()
        }
    }
}

fn read_number(block: &mut &[u8], bits: u32) -> usize {
    let most = (1 << bits) - 1;
    let mut number = usize::from(block[0]) & most;
    let mut used = 1;
    if number == most {
        for shift in (0..28).step_by(7) {
            let byte = block[used];
            used += 1;
            number += usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    *block = &block[used..];
    number
}

fn read_text(block: &mut &[u8]) -> String {
    assert!(block[0] < 0x80, "the text is compressed");
    let length = read_number(block, 7);
    let (text, rest) = block.split_at(length);
    *block = rest;
    String::from_utf8(text.to_vec()).expect("UTF-8")
}
