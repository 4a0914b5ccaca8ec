//! HPACK integers: a prefix of some bits, then groups of seven (RFC 7541 section 5.1).

use super::HpackError;

/// No number in a header block is larger than this; every length and index of ours is far below it.
const INTEGER_MAX: usize = 1 << 24;
/// Most bytes behind the prefix: four groups of seven bits hold every number up to the bound.
const GROUPS_MAX: usize = 4;

/// Reads the integer that starts with the lowest `bits` bits of `first` and goes on in `input`, from which it is taken.
pub fn read(first: u8, bits: u32, input: &mut &[u8]) -> Result<usize, HpackError> {
    let mask = (1usize << bits) - 1;
    let mut value = usize::from(first) & mask;
    if value < mask {
        return Ok(value);
    }
    for group in 0..GROUPS_MAX {
        let (&byte, rest) = input.split_first().ok_or(HpackError::Truncated)?;
        *input = rest;
        value += usize::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            return if value <= INTEGER_MAX { Ok(value) } else { Err(HpackError::Integer) };
        }
    }
    Err(HpackError::Integer)
}

/// Writes `value` behind the bits of `first` above the lowest `bits`.
#[inline]
pub fn write(first: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let mask = (1usize << bits) - 1;
    if value < mask {
        out.push(first | value as u8);
        return;
    }
    write_groups(first | mask as u8, value - mask, out);
}

fn write_groups(first: u8, mut rest: usize, out: &mut Vec<u8>) {
    out.push(first);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.1.
    #[test]
    fn examples_of_the_rfc() {
        for (bits, value, bytes) in [(5, 10, &[0x0a][..]), (5, 1337, &[0x1f, 0x9a, 0x0a]), (8, 42, &[0x2a])] {
            let mut out = Vec::new();
            write(0, bits, value, &mut out);
            assert_eq!(out, bytes);
            let mut rest = &bytes[1..];
            assert_eq!(read(bytes[0], bits, &mut rest), Ok(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn every_prefix_comes_back() {
        for bits in 4..=7 {
            for value in (0..600).chain([16_383, 16_384, 70_000, INTEGER_MAX]) {
                let mut out = Vec::new();
                write(0, bits, value, &mut out);
                let mut rest = &out[1..];
                assert_eq!(read(out[0], bits, &mut rest), Ok(value), "{bits} bits");
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn long_and_cut_numbers_are_refused() {
        for (bytes, error) in [
            (&[][..], HpackError::Truncated),
            (&[0x80], HpackError::Truncated),
            (&[0xff, 0xff, 0xff, 0x7f], HpackError::Integer),
            (&[0x80, 0x80, 0x80, 0x80, 0x00], HpackError::Integer),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], HpackError::Integer),
        ] {
            assert_eq!(read(0x7f, 7, &mut &bytes[..]), Err(error), "{bytes:x?}");
        }
    }
}
