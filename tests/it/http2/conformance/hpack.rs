//! RFC 7541: every representation of a field, the dynamic table, and what cannot be decoded.

use super::*;

/// `custom-key` and `custom-value` by the Huffman code, with their lengths (appendix C.4.3).
const KEY_CODED: &[u8] = &[0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f];
const VALUE_CODED: &[u8] = &[0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
const KEY: &[u8] = b"\x0acustom-key";
const VALUE: &[u8] = b"\x0ccustom-value";
/// The name of static entry 58, `user-agent`, in a prefix of six bits and of four.
const NAME_6: &[u8] = &[0x40 | 58];
const NAME_4: &[u8] = &[0x0f, 58 - 15];
const NAME_4_NEVER: &[u8] = &[0x1f, 58 - 15];

/// A GET whose block ends with `more`.
fn with(more: &[&[u8]]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&block("/")[..], &more.concat()].concat())
}

/// A GET whose block begins with `first`.
fn after(first: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &[first, &block("/")].concat())
}

#[test]
fn section_6_representations() {
    const SEEN: Expected = Forwards(1, "custom-value");
    let indexed = [&[0x82, 0x87, 0x84][..], &fields::encode(&[(":authority", HOST)]), &[0x90]].concat();
    try_all(&[
        case("6.1: indexed", frame(HEADERS, END_HEADERS | END_STREAM, 1, &indexed), Forwards(1, "gzip, deflate")),
        case("6.2.1: indexing, indexed name", with(&[NAME_6, VALUE]), SEEN),
        case("6.2.1: indexing, indexed name, Huffman", with(&[NAME_6, VALUE_CODED]), SEEN),
        case("6.2.1: indexing, new name", with(&[&[0x40], KEY, VALUE]), SEEN),
        case("6.2.1: indexing, new name, Huffman", with(&[&[0x40], KEY_CODED, VALUE_CODED]), SEEN),
        case("6.2.2: no indexing, indexed name", with(&[NAME_4, VALUE]), SEEN),
        case("6.2.2: no indexing, indexed name, Huffman", with(&[NAME_4, VALUE_CODED]), SEEN),
        case("6.2.2: no indexing, new name", with(&[&[0], KEY, VALUE]), SEEN),
        case("6.2.2: no indexing, new name, Huffman", with(&[&[0], KEY_CODED, VALUE_CODED]), SEEN),
        case("6.2.3: never indexed, indexed name", with(&[NAME_4_NEVER, VALUE]), SEEN),
        case("6.2.3: never indexed, indexed name, Huffman", with(&[NAME_4_NEVER, VALUE_CODED]), SEEN),
        case("6.2.3: never indexed, new name", with(&[&[0x10], KEY, VALUE]), SEEN),
        case("6.2.3: never indexed, new name, Huffman", with(&[&[0x10], KEY_CODED, VALUE_CODED]), SEEN),
        case("6.3: a size update", after(&[0x20]), Answer(1, 200)),
        case("6.3: two size updates", after(&[0x20, 0x3f, 0xe1, 0x1f]), Answer(1, 200)),
    ]);
}

#[test]
fn section_2_3_the_dynamic_table() {
    let indexing = with(&[&[0x40], KEY, VALUE]);
    let of = |id: u32, more: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, id, &[&block("/")[..], more].concat());
    let emptied = frame(HEADERS, END_HEADERS | END_STREAM, 3, &[&[0x20][..], &block("/"), &[0xbe]].concat());
    let refused = of(1, &[&[0x40][..], KEY, VALUE, &fields::encode(&[("X-Refused", "1")])].concat());
    try_all(&[
        case("2.3.2: an entry is used again", [&indexing[..], &of(3, &[0xbe])].concat(), Forwards(3, "custom-value")),
        case("2.3.2: its name alone", [&indexing[..], &of(3, b"\x7e\x05again")].concat(), Forwards(3, "again")),
        case(
            "2.3.2: also after a request that was refused",
            [refused, of(3, &[0xbe])].concat(),
            Forwards(3, "custom-value"),
        ),
        case("2.3.3: the first index beyond the table", with(&[&[0xbe]]), Connection(COMPRESSION)),
        case("2.3.3: an index far beyond", with(&[&[0xc6]]), Connection(COMPRESSION)),
        case("2.3.3: a name's index beyond", with(&[&[0x7f, 0x10], VALUE]), Connection(COMPRESSION)),
        case("4.3: an emptied table", [indexing, emptied].concat(), Connection(COMPRESSION)),
    ]);
}

#[test]
fn what_cannot_be_decoded() {
    try_all(&[
        case("4.2: a size update at the end of a block", with(&[&[0x20]]), Connection(COMPRESSION)),
        case("5.1: an integer without end", with(&[&[0xff; 16]]), Connection(COMPRESSION)),
        case("5.1: an integer that is cut", with(&[&[0xff]]), Connection(COMPRESSION)),
        case("5.2: a text that is cut", with(&[&[0x40], b"\x0acust"]), Connection(COMPRESSION)),
        case(
            "5.2: padding of more than seven bits",
            with(&[NAME_6, &[0x8a], &VALUE_CODED[1..], &[0xff]]),
            Connection(COMPRESSION),
        ),
        case("5.2: padding of zeros", with(&[NAME_6, &[0x81, 0x18]]), Connection(COMPRESSION)),
        case(
            "5.2: the end-of-string symbol",
            with(&[NAME_6, &[0x84, 0xff, 0xff, 0xff, 0xff]]),
            Connection(COMPRESSION),
        ),
        case("6.1: index 0", with(&[&[0x80]]), Connection(COMPRESSION)),
        case("6.3: a table larger than announced", after(&[0x3f, 0xe2, 0x1f]), Connection(COMPRESSION)),
    ]);
}
