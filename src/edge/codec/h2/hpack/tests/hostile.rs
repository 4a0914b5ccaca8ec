//! Blocks that no honest encoder makes.

use proptest::prelude::*;

use super::super::meaning::Meaning;
use super::super::{Bounds, Decoder, Encoder, Fields, HpackError, Oversize, encode_huffman};
use super::{decode, encode, hex, values};

#[test]
fn broken_blocks_are_refused() {
    use HpackError as E;
    for (block, error) in [
        // h2spec hpack/2.3.3: an index beyond both tables, indexed and as a name.
        ("80", E::Index),
        ("be", E::Index),
        ("ff 80 01", E::Index),
        ("7f 01 01 61", E::Index),
        // h2spec hpack/4.2 and 6.3: a size update behind a field, too large, or too often.
        ("82 20", E::TableSize),
        ("3f e2 1f", E::TableSize),
        ("20 20 20 82", E::TableSize),
        // h2spec hpack/5.2: padding and EOS.
        ("04 84 ff ff ff ff", E::Huffman),
        ("04 82 1f ff", E::Huffman),
        ("04 81 18", E::Huffman),
        // Cut anywhere.
        ("40", E::Truncated),
        ("40 0a 63 75", E::Truncated),
        ("40 01 61", E::Truncated),
        ("40 01 61 02 61", E::Truncated),
        ("ff", E::Truncated),
        ("3f", E::Truncated),
        ("04 7f", E::Truncated),
        ("04 7f ff ff ff 7f", E::Integer),
    ] {
        assert_eq!(decode(&mut Decoder::new(), &hex(block)).err(), Some(error), "{block}");
    }
    assert!(decode(&mut Decoder::new(), &hex("20 3f e1 1f 82")).is_ok());
}

#[test]
fn a_bomb_is_read_to_its_end_and_not_kept() {
    // One entry of 4,064 bytes, and then references to it.
    let mut block = vec![0x40, 1, b'a', 0x7f, 0xe0, 0x1e];
    block.resize(block.len() + 4063 - 32, b'x');
    let length = block.len() - 6;
    block[4..6].copy_from_slice(&[(length - 127) as u8 | 0x80, ((length - 127) >> 7) as u8]);
    block.resize(block.len() + 16_000, 0xbe);
    // What comes last still reaches the table.
    block.extend_from_slice(&[0x40, 1, b'b', 1, b'c']);
    let mut decoder = Decoder::new();
    let mut fields = Fields::default();
    let bounds = Bounds { bytes: 128 * 1024, lines: 1000 };
    decoder.decode(&block, &bounds, &mut fields).unwrap();
    assert_eq!(fields.oversize, Some(Oversize::Bytes));
    assert!(fields.bytes.len() <= bounds.bytes, "{}", fields.bytes.len());
    assert_eq!(values(&decode(&mut decoder, &[0xbe]).unwrap()), ["c"]);
}

#[test]
fn lines_are_counted() {
    for (count, oversize) in [(1000, None), (1001, Some(Oversize::Lines))] {
        let mut fields = Fields::default();
        Decoder::new().decode(&vec![0x82; count], &super::WIDE, &mut fields).unwrap();
        assert_eq!((fields.oversize, fields.lines.len()), (oversize, 1000));
    }
}

#[test]
fn what_is_wrong_stays_wrong_in_the_table() {
    for (name, value) in
        [("Upper", "x"), ("a b", "x"), ("connection", "x"), (":status", "200"), ("ok", "a\r\nb"), ("ok", " x")]
    {
        let mut block = vec![0x40, name.len() as u8];
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
        // Again by index, and the name by index with another value.
        block.extend_from_slice(&[0xbe, 0x7e, 1, b'y']);
        let fields = decode(&mut Decoder::new(), &block).unwrap();
        let flawed: Vec<bool> =
            fields.lines.iter().map(|line| !line.clean || line.meaning == Meaning::Malformed).collect();
        assert_eq!(flawed, [true, true, name != "ok"], "{name}: {value:?}");
    }
}

/// A block that says the same as `fields`, in a mixture of forms.
fn mixed(fields: &[(Vec<u8>, Vec<u8>, u8)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value, form) in fields {
        block.push([0x00, 0x10, 0x40][usize::from(form % 3)]);
        for text in [name, value] {
            let mut coded = Vec::new();
            if form & 4 != 0 {
                encode_huffman(text, &mut coded);
            } else {
                coded.extend_from_slice(text);
            }
            super::super::integer::write(if form & 4 != 0 { 0x80 } else { 0 }, 7, coded.len(), &mut block);
            block.extend_from_slice(&coded);
        }
    }
    block
}

proptest! {
    #[test]
    fn every_form_comes_back(
        fields in proptest::collection::vec(("[a-z-]{1,40}", proptest::collection::vec(any::<u8>(), 0..200), any::<u8>()), 0..40),
    ) {
        let fields: Vec<_> = fields.into_iter().map(|(n, v, f)| (n.into_bytes(), v, f)).collect();
        let mut decoder = Decoder::new();
        for _ in 0..3 {
            let decoded = decode(&mut decoder, &mixed(&fields)).unwrap();
            let pairs: Vec<_> = decoded
                .lines
                .iter()
                .map(|l| (decoded.bytes[l.name.range()].to_vec(), decoded.bytes[l.value.range()].to_vec()))
                .collect();
            let expected: Vec<_> = fields.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect();
            prop_assert_eq!(pairs, expected);
        }
    }

    #[test]
    fn nothing_panics(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
        let mut decoder = Decoder::new();
        let mut fields = Fields::default();
        for block in blocks {
            fields.clear();
            let _ = decoder.decode(&block, &Bounds { bytes: 1000, lines: 5 }, &mut fields);
            prop_assert!(fields.lines.len() <= 5);
            prop_assert!(fields.lines.iter().all(|l| l.value.range().end <= fields.bytes.len()));
        }
    }

    #[test]
    fn what_we_encode_is_decoded(
        blocks in proptest::collection::vec(
            (100u16..600, proptest::collection::vec((a_name(), "[ -~]{0,300}|[ab]{0,2}"), 0..10), proptest::option::of(4000u32..4200)),
            1..4,
        ),
    ) {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
        for (status, fields, limit) in &blocks {
            if let Some(limit) = limit {
                encoder.limit(*limit);
            }
            let pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            let decoded = decode(&mut decoder, &encode(&mut encoder, *status, &pairs)).unwrap();
            let mut expected = vec![status.to_string()];
            expected.extend(fields.iter().filter(|(n, _)| {
                !["connection", "keep-alive", "upgrade"].contains(&&*n.to_ascii_lowercase())
            }).map(|(_, v)| v.clone()));
            prop_assert_eq!(values(&decoded), expected);
        }
    }
}

/// Any name, and often one that is kept in the client's table.
fn a_name() -> impl Strategy<Value = String> {
    let kept = proptest::sample::select(vec!["server", "Vary", "content-type", "X-Frame-Options", "via", "set-cookie"]);
    prop_oneof!["[A-Za-z-]{1,40}", kept.prop_map(str::to_owned)]
}
