//! The Huffman code of header strings (RFC 7541 section 5.2 and appendix B), decoded by table.
//!
//! Codes of up to ten bits, which is nearly all of what is sent, take one look into a table of 2 KiB. The rest are found
//! by their rank among the codes of their length.

mod lengths;

use super::HpackError;
use lengths::BITS;

/// Bits that the first look covers.
const FAST_BITS: u32 = 10;
const LONGEST_BITS: usize = 30;
const EOS: u16 = 256;
/// Shortest code: a string grows by at most 8/5.
const SHORTEST_BITS: usize = 5;

/// The code as tables.
struct Code {
    /// By the next ten bits: symbol and length; length 0 where the code is longer.
    fast: [(u8, u8); 1 << FAST_BITS],
    /// By length: the first code of that length, how many there are, and the rank of the first.
    first: [u32; LONGEST_BITS + 1],
    count: [u16; LONGEST_BITS + 1],
    rank: [u16; LONGEST_BITS + 1],
    /// Symbols by rank.
    ranked: [u16; 257],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code {
        fast: [(0, 0); 1 << FAST_BITS],
        first: [0; LONGEST_BITS + 1],
        count: [0; LONGEST_BITS + 1],
        rank: [0; LONGEST_BITS + 1],
        ranked: [0; 257],
    };
    let (mut length, mut next, mut rank) = (1, 0u32, 0);
    while length <= LONGEST_BITS {
        next <<= 1;
        code.first[length] = next;
        code.rank[length] = rank;
        let mut symbol = 0;
        while symbol < BITS.len() {
            if BITS[symbol] as usize == length {
                code.ranked[rank as usize] = symbol as u16;
                fill(&mut code.fast, next, length as u32, symbol);
                rank += 1;
                next += 1;
            }
            symbol += 1;
        }
        code.count[length] = rank - code.rank[length];
        length += 1;
    }
    code
}

const fn fill(fast: &mut [(u8, u8); 1 << FAST_BITS], code: u32, length: u32, symbol: usize) {
    if length > FAST_BITS {
        return;
    }
    let spare = FAST_BITS - length;
    let mut tail = 0;
    while tail < 1 << spare {
        fast[((code << spare) | tail) as usize] = (symbol as u8, length as u8);
        tail += 1;
    }
}

/// Bits not decoded yet, the next one on top.
struct Bits<'i> {
    word: u64,
    /// How many bits of the word are real; the rest are zero.
    held: u32,
    input: &'i [u8],
}

impl Bits<'_> {
    /// Tops the word up to at least 56 bits, or to all there are.
    #[inline]
    fn refill(&mut self) {
        if let Some((chunk, _)) = self.input.split_first_chunk::<8>() {
            let bytes = ((63 - self.held) / 8) as usize;
            self.word |= (u64::from_be_bytes(*chunk) >> self.held) & mask(self.held + bytes as u32 * 8);
            self.held += bytes as u32 * 8;
            self.input = &self.input[bytes..];
            return;
        }
        while self.held <= 56 {
            let Some((&byte, rest)) = self.input.split_first() else { return };
            self.word |= u64::from(byte) << (56 - self.held);
            self.held += 8;
            self.input = rest;
        }
    }

    #[inline]
    fn take(&mut self, count: u32) {
        self.word <<= count;
        self.held -= count;
    }

    /// Whether what is left is padding as it must be: fewer than eight bits, all of them ones.
    fn is_padding(&self) -> bool {
        self.input.is_empty() && self.held < 8 && self.word == mask(self.held)
    }
}

/// A word whose `count` highest bits are ones.
#[inline]
fn mask(count: u32) -> u64 {
    if count == 0 { 0 } else { u64::MAX << (64 - count) }
}

/// Appends the decoded `input` to `out`.
pub fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    out.resize(start + input.len() * 8 / SHORTEST_BITS + 1, 0);
    let written = decode_into(input, &mut out[start..]);
    out.truncate(start + written.unwrap_or(0));
    written.map(|_| ())
}

fn decode_into(input: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    let mut bits = Bits { word: 0, held: 0, input };
    let mut written = 0;
    loop {
        if bits.held < FAST_BITS * 2 {
            bits.refill();
        }
        let (symbol, length) = match CODE.fast[(bits.word >> (64 - FAST_BITS)) as usize] {
            (_, 0) => long(bits.word),
            (symbol, length) => (u16::from(symbol), u32::from(length)),
        };
        if length > bits.held {
            if length as usize > FAST_BITS as usize && !bits.input.is_empty() {
                bits.refill();
                continue;
            }
            return if bits.is_padding() { Ok(written) } else { Err(HpackError::Huffman) };
        }
        if symbol == EOS {
            return Err(HpackError::Huffman);
        }
        *out.get_mut(written).ok_or(HpackError::Huffman)? = symbol as u8;
        written += 1;
        bits.take(length);
    }
}

/// The symbol and the length of a code that is longer than the first look. Every word of 30 bits starts with a code.
#[cold]
fn long(word: u64) -> (u16, u32) {
    for length in FAST_BITS as usize + 1..=LONGEST_BITS {
        let prefix = (word >> (64 - length)) as u32;
        let above = prefix.wrapping_sub(CODE.first[length]);
        if above < u32::from(CODE.count[length]) {
            return (CODE.ranked[usize::from(CODE.rank[length]) + above as usize], length as u32);
        }
    }
    (EOS, LONGEST_BITS as u32)
}

/// Appends `text`, encoded, to `out`. Responses are sent plain, which costs less; this is for tests.
#[cfg(test)]
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut word, mut held) = (0u64, 0u32);
    for &byte in text {
        let length = usize::from(BITS[usize::from(byte)]);
        let rank = CODE.ranked.iter().position(|&s| s == u16::from(byte)).unwrap();
        let code = CODE.first[length] + rank as u32 - u32::from(CODE.rank[length]);
        word = word << length | u64::from(code);
        held += length as u32;
        while held >= 8 {
            held -= 8;
            out.push((word >> held) as u8);
        }
    }
    if held > 0 {
        out.push((word << (8 - held)) as u8 | (0xff >> held));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(input: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = b"before".to_vec();
        let result = decode(input, &mut out);
        assert!(out.starts_with(b"before"));
        result.map(|()| out[6..].to_vec())
    }

    /// Codes as RFC 7541 appendix B prints them.
    #[test]
    fn codes_of_the_rfc() {
        for (symbol, length, code) in [
            (b'0', 5, 0x0u32),
            (b'a', 5, 0x3),
            (b' ', 6, 0x14),
            (b':', 7, 0x5c),
            (b'&', 8, 0xf8),
            (b'?', 10, 0x3fc),
            (b'+', 11, 0x7fb),
            (0, 13, 0x1ff8),
            (b'\\', 19, 0x7fff0),
            (0x80, 20, 0xfffe6),
            (0xff, 26, 0x3ffffee),
            (b'\n', 30, 0x3ffffffc),
            (0x16, 30, 0x3ffffffe),
        ] {
            let mut bytes = Vec::new();
            encode(&[symbol], &mut bytes);
            let mut word = 0u64;
            for index in 0..8 {
                word = word << 8 | u64::from(bytes.get(index).copied().unwrap_or(0));
            }
            assert_eq!((word >> (64 - length)) as u32, code, "symbol {symbol}");
            assert_eq!(BITS[usize::from(symbol)], length);
        }
        assert_eq!((CODE.first[30] + u32::from(CODE.count[30]) - 1, CODE.ranked[256]), (0x3fff_ffff, EOS));
    }

    #[test]
    fn strings_of_the_rfc() {
        let examples: &[(&[u8], &[u8])] = &[
            (b"www.example.com", &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]),
            (b"no-cache", &[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]),
            (b"custom-value", &[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]),
            (b"", &[]),
        ];
        for (text, bytes) in examples {
            assert_eq!(decoded(bytes).unwrap(), *text);
        }
    }

    #[test]
    fn wrong_ends_are_refused() {
        for hostile in [
            // EOS, whole and as eight bits of padding.
            &[0xff, 0xff, 0xff, 0xff][..],
            &[0xff],
            // "a" with a whole byte of padding too many.
            &[0x1f, 0xff],
            // "a" padded with zeros.
            &[0x18],
            &[0x00, 0xff, 0xff],
            // A code that is cut.
            &[0xff, 0xff, 0xff],
        ] {
            assert_eq!(decoded(hostile), Err(HpackError::Huffman), "{hostile:x?}");
        }
        assert_eq!(decoded(&[0x1f]).unwrap(), b"a");
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = Vec::new();
            encode(&text, &mut bytes);
            prop_assert_eq!(decoded(&bytes).unwrap(), text);
        }

        #[test]
        fn nothing_panics_and_every_string_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(text) = decoded(&bytes) {
                let mut again = Vec::new();
                encode(&text, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
