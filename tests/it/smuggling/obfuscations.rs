//! Framing that is spelt so that one server sees it and another does not, as published research on request smuggling has it.

use super::vectors::{get, post, vector};
use super::{Fate, Seen, Vector};
use crate::harness::vallum::HOST;
use Fate::{Dropped, Either, Refused};

const CHUNKS: &str = "3\r\nabc\r\n0\r\n\r\n";
const ABC: Seen = &[("/a", "abc")];
const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n";

/// `Transfer-Encoding` that is not quite, with and without a length beside it.
pub(super) fn codings() -> Vec<Vector> {
    let lines = [
        ("identity", "Transfer-Encoding: identity"),
        ("cow", "Transfer-Encoding: cow"),
        ("chunked and more", "Transfer-Encoding: chunkedx"),
        ("a hyphen in it", "Transfer-Encoding: chunk-ed"),
        ("quoted by half", "Transfer-Encoding: \"chunked"),
        ("single quotes", "Transfer-Encoding: 'chunked'"),
        ("in brackets", "Transfer-Encoding: [chunked]"),
        ("a bare semicolon", "Transfer-Encoding: chunked;"),
        ("a parameter", "Transfer-Encoding: chunked; ext=x"),
        ("a semicolon in front", "Transfer-Encoding: ;chunked"),
        ("an equals sign", "Transfer-Encoding=chunked"),
        ("a null at the end", "Transfer-Encoding: chunked\0"),
        ("a null in front", "Transfer-Encoding: \0chunked"),
        ("a backspace", "Transfer-Encoding: \x08chunked"),
        ("a vertical tab behind", "Transfer-Encoding: chunked\x0b"),
        ("a form feed in front", "Transfer-Encoding: \x0cchunked"),
        ("a unit separator", "Transfer-Encoding: \x1fchunked"),
        ("DEL", "Transfer-Encoding: chunked\x7f"),
        ("a no-break space", "Transfer-Encoding: \u{a0}chunked"),
        ("an ideographic space", "Transfer-Encoding: \u{3000}chunked"),
        ("a long s", "Transfer-Encoding: chunked\u{17f}"),
        ("a Kelvin sign", "Transfer-Encoding: chun\u{212a}ed"),
        ("a zero-width space in the name", "Transfer\u{200b}-Encoding: chunked"),
        ("a no-break space in the name", "Transfer-Encoding\u{a0}: chunked"),
        ("an en dash in the name", "Transfer\u{2013}Encoding: chunked"),
        ("a null in the name", "Transfer-Encoding\0: chunked"),
        ("a control character before the name", "\x01Transfer-Encoding: chunked"),
        ("two colons", "Transfer-Encoding:: chunked"),
        ("a colon before the name", ":Transfer-Encoding: chunked"),
        ("a space in the name", "Transfer Encoding: chunked"),
        ("a dot in the name", "Transfer.Encoding: chunked"),
        ("an underscore in the name", "Transfer_Encoding: chunked"),
        ("a plus in the name", "Transfer+Encoding: chunked"),
        ("a tab before the colon", "Transfer-Encoding\t: chunked"),
        ("a vertical tab before the colon", "Transfer-Encoding\x0b: chunked"),
        ("CR before the colon", "Transfer-Encoding\r: chunked"),
        ("LF before the colon", "Transfer-Encoding\n: chunked"),
        ("CR LF before the colon", "Transfer-Encoding\r\n : chunked"),
        ("folded by a tab", "Transfer-Encoding:\r\n\tchunked"),
        ("folded behind", "Transfer-Encoding: chunked\r\n , identity"),
        ("folded amid", "Transfer-Encoding: chun\r\n ked"),
        ("folded by bare LF", "Transfer-Encoding:\n chunked"),
        ("CR behind", "Transfer-Encoding: chunked\r"),
        ("CR in front", "Transfer-Encoding: \rchunked"),
        ("behind another field and LF", "X: y\nTransfer-Encoding: chunked"),
        ("behind another field and CR", "X: y\rTransfer-Encoding: chunked"),
        ("behind a field that is folded", "X: y\r\n Transfer-Encoding: chunked"),
        ("a first line that is folded", " X: y\r\nTransfer-Encoding: chunked"),
        ("chunked, then identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("identity, then chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        ("empty, then chunked", "Transfer-Encoding: \r\nTransfer-Encoding: chunked"),
        ("chunked, then empty", "Transfer-Encoding: chunked\r\nTransfer-Encoding: "),
        ("chunked, then another case", "Transfer-Encoding: chunked\r\ntransfer-encoding: Chunked"),
        ("gzip over chunked", "Transfer-Encoding: chunked, gzip"),
        ("compress", "Transfer-Encoding: compress"),
        ("deflate, chunked", "Transfer-Encoding: deflate, chunked"),
        ("empty elements", "Transfer-Encoding: , chunked ,"),
        ("nothing", "Transfer-Encoding:"),
    ];
    let mut vectors = Vec::new();
    for (name, line) in lines {
        vectors.push(vector(name, post(&format!("{line}\r\n"), CHUNKS), Refused));
        vectors.push(vector(name, post(&format!("Content-Length: 5\r\n{line}\r\n"), CHUNKS), Refused));
        vectors.push(vector(name, post(&format!("{line}\r\nContent-Length: 5\r\n"), CHUNKS), Refused));
    }
    vectors.extend([
        vector("mixed case", post("tRANSFER-eNCODING: cHUNKED\r\n", CHUNKS), Either(ABC)),
        vector("no space", post("Transfer-Encoding:chunked\r\n", CHUNKS), Either(ABC)),
        vector("TE is no Transfer-Encoding", post("TE: chunked\r\nContent-Length: 3\r\n", "abc"), Either(ABC)),
        vector(
            "Content-Encoding is none",
            post("Content-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"),
            Either(ABC),
        ),
        vector(
            "X-Transfer-Encoding is none",
            post("X-Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc"),
            Either(ABC),
        ),
    ]);
    vectors
}

/// `Content-Length` that is not quite a number, or not quite the name.
pub(super) fn lengths() -> Vec<Vector> {
    let lines = [
        ("a plus", "Content-Length: +3"),
        ("a minus", "Content-Length: -3"),
        ("minus nought", "Content-Length: -0"),
        ("hexadecimal", "Content-Length: 0x3"),
        ("octal", "Content-Length: 0o3"),
        ("an underscore in it", "Content-Length: 0_3"),
        ("a fraction", "Content-Length: 3.0"),
        ("an exponent", "Content-Length: 3e0"),
        ("a comma for thousands", "Content-Length: 1,000"),
        ("a semicolon", "Content-Length: 3;"),
        ("a list", "Content-Length: 3, 3"),
        ("a list that differs", "Content-Length: 3, 50"),
        ("a list with an empty element", "Content-Length: ,3"),
        ("two fields", "Content-Length: 3\r\nContent-Length: 3"),
        ("two fields that differ", "Content-Length: 3\r\nContent-Length: 50"),
        ("two fields, one empty", "Content-Length: \r\nContent-Length: 3"),
        ("two fields, one no number", "Content-Length: 3\r\nContent-Length: x"),
        ("two fields of another case", "Content-Length: 3\r\ncontent-length: 50"),
        ("inner space", "Content-Length: 3 0"),
        ("a null", "Content-Length: 3\0"),
        ("a form feed", "Content-Length: \x0c3"),
        ("a no-break space", "Content-Length: \u{a0}3"),
        ("wide digits", "Content-Length: \u{ff13}"),
        ("Arabic digits", "Content-Length: \u{663}"),
        ("a superscript", "Content-Length: \u{b3}"),
        ("quotes", "Content-Length: \"3\""),
        ("2^64", "Content-Length: 18446744073709551616"),
        ("2^64 + 3", "Content-Length: 18446744073709551619"),
        ("2^63", "Content-Length: 9223372036854775808"),
        ("2^32 + 3 in front of thirty zeros", "Content-Length: 000000000000000000000000000000004294967299"),
        ("a space before the colon", "Content-Length : 3"),
        ("a tab before the colon", "Content-Length\t: 3"),
        ("a dot in the name", "Content.Length: 3"),
        ("an underscore in the name", "Content_Length: 3"),
        ("a space in the name", "Content Length: 3"),
        ("folded", "Content-Length:\r\n 3"),
        ("folded behind", "Content-Length: 3\r\n 0"),
        ("CR behind", "Content-Length: 3\r"),
        ("behind another field and LF", "X: y\nContent-Length: 3"),
    ];
    let mut vectors: Vec<Vector> =
        lines.iter().map(|(name, line)| vector(name, post(&format!("{line}\r\n"), "abc") + HIDDEN, Refused)).collect();
    // On a GET, where many servers look for no body.
    vectors.extend(lines.iter().map(|(name, line)| vector(name, get(&format!("{line}\r\n")), Refused)));
    vectors
}

/// The chunked coding, off by a byte.
pub(super) fn chunks() -> Vec<Vector> {
    let bodies = [
        ("a size with a space behind", "3 \r\nabc\r\n0\r\n\r\n"),
        ("a size with a tab behind", "3\t\r\nabc\r\n0\r\n\r\n"),
        ("a size with a space amid", "3 3;a\r\nabc\r\n0\r\n\r\n"),
        ("a size with a null", "3\0\r\nabc\r\n0\r\n\r\n"),
        ("a size with a letter", "3g\r\nabc\r\n0\r\n\r\n"),
        ("a size in words", "three\r\nabc\r\n0\r\n\r\n"),
        ("an extension without a size", ";a=b\r\nabc\r\n0\r\n\r\n"),
        ("an extension that ends by CR", "3;a\rabc\r\n0\r\n\r\n"),
        ("an extension that ends by LF", "3;a\nabc\r\n0\r\n\r\n"),
        ("an extension that hides a chunk by LF", "3;\n0\r\n\r\nabc\r\n0\r\n\r\n"),
        ("an extension that hides a chunk by CR", "3;\rx\r\nabc\r\n0\r\n\r\n"),
        ("a line end of two bytes that is none", "3\r\nabcXX0\r\n\r\n"),
        ("a line end of CR CR", "3\r\rabc\r\n0\r\n\r\n"),
        ("a line end of LF CR", "3\n\rabc\r\n0\r\n\r\n"),
        ("data that is too long by a byte", "3\r\nabcd\r\n0\r\n\r\n"),
        ("data that is too short by a byte", "4\r\nabc\r\n0\r\n\r\n"),
        ("an empty line between chunks", "3\r\nabc\r\n\r\n0\r\n\r\n"),
        ("a last chunk of minus nought", "3\r\nabc\r\n-0\r\n\r\n"),
        ("a last chunk with a space", "3\r\nabc\r\n0 \r\n\r\n"),
        ("a last chunk of 0x", "3\r\nabc\r\n0x\r\n\r\n"),
        ("a last chunk that ends by LF", "3\r\nabc\r\n0\r\n\n"),
        ("a last chunk that ends by CR", "3\r\nabc\r\n0\r\r\n"),
        ("a trailer with a space before the colon", "3\r\nabc\r\n0\r\nX : y\r\n\r\n"),
        ("a trailer with a null", "3\r\nabc\r\n0\r\nX: \0\r\n\r\n"),
        ("a trailer that ends by LF", "3\r\nabc\r\n0\r\nX: y\n\r\n"),
        ("a trailer that is a request", "3\r\nabc\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n"),
        ("2^64 + 3", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("2^32 + 3, and thirty zeros", "000000000000000000000000000000100000003\r\nabc\r\n0\r\n\r\n"),
    ];
    let mut vectors: Vec<Vector> = bodies
        .into_iter()
        .map(|(name, body)| vector(name, post("Transfer-Encoding: chunked\r\n", body) + HIDDEN, Dropped))
        .collect();
    let good = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    vectors.extend([
        vector("an extension in quotes with a semicolon", good("3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n"), Either(ABC)),
        vector("an extension in quotes that do not end", good("3;a=\"b\r\nabc\r\n0\r\n\r\n"), Either(ABC)),
        vector("an extension of the last chunk", good("3\r\nabc\r\n0;a=b\r\n\r\n"), Either(ABC)),
        vector("spaces before an extension", good("3 \t;a\r\nabc\r\n0 ;b\r\n\r\n"), Fate::Forwarded(ABC)),
        vector("an empty extension", good("3;\r\nabc\r\n0\r\n\r\n"), Either(ABC)),
        vector("capitals", good("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), Either(&[("/a", "abc0123456789")])),
        vector(
            "trailers that say who asks",
            good("3\r\nabc\r\n0\r\nX-Pomerium-Claim-Email: smuggled\r\nAuthorization: smuggled\r\nCookie: _pomerium=x\r\n\r\n"),
            Either(ABC),
        ),
    ]);
    vectors
}

/// Request lines and field lines.
pub(super) fn lines() -> Vec<Vector> {
    let line = |line: &str| format!("{line}\r\nHost: {HOST}\r\n\r\n{HIDDEN}");
    let mut vectors: Vec<Vector> = [
        ("a third word", "GET /a b HTTP/1.1"),
        ("two versions", "GET /a HTTP/1.1 HTTP/1.1"),
        ("a version of two digits", "GET /a HTTP/1.10"),
        ("a version without a minor", "GET /a HTTP/1"),
        ("a version with a comma", "GET /a HTTP/1,1"),
        ("a version to come", "GET /a HTTP/1.2"),
        ("another protocol", "GET /a ICAP/1.0"),
        ("no target", "GET  HTTP/1.1"),
        ("a tab for the first space", "GET\t/a HTTP/1.1"),
        ("a tab for the second space", "GET /a\tHTTP/1.1"),
        ("a vertical tab", "GET\x0b/a HTTP/1.1"),
        ("a no-break space", "GET\u{a0}/a HTTP/1.1"),
        ("a null in the method", "G\0ET /a HTTP/1.1"),
        ("a null in the target", "GET /a\0 HTTP/1.1"),
        ("a null behind", "GET /a HTTP/1.1\0"),
        ("CR in the target", "GET /a\rb HTTP/1.1"),
        ("a byte order mark", "\u{feff}GET /a HTTP/1.1"),
        ("a request in the target", "GET /a HTTP/1.1\x0aX: y"),
        ("a method of letters beyond ASCII", "G\u{c9}T /a HTTP/1.1"),
        ("a method with a colon", "GET:/a /b HTTP/1.1"),
        ("a field for a request line", "Host: app.example.com"),
    ]
    .into_iter()
    .map(|(name, text)| vector(name, line(text), Refused))
    .collect();
    let fields = [
        ("a name of spaces", "  : y"),
        ("a name that ends in a space", "X : y"),
        ("a name in quotes", "\"X\": y"),
        ("a name with a slash", "X/Y: z"),
        ("a name with a comma", "X,Y: z"),
        ("a name with brackets", "X[0]: y"),
        ("a name with an at sign", "X@Y: z"),
        ("a name with a control character", "X\x02Y: z"),
        ("a name beyond ASCII", "X\u{df}: y"),
        ("a value with an escape", "X: \x1b[31m"),
        ("a value with a null", "X: a\0Host: b"),
        ("a value with CR", "X: a\rHost: smuggled"),
        ("a value with LF", "X: a\nHost: smuggled"),
        ("a value with CR CR", "X: a\r\rHost: smuggled"),
        ("a line with LF CR", "X: a\n\rHost: smuggled"),
        ("a line without a colon", "GET /smuggled HTTP/1.1"),
        ("a second Host", "Host: app.example.com"),
        ("a second Host of another case", "HOST: app.example.com"),
        ("a Host that is folded", "X: y\r\n\tHost: smuggled"),
        ("a Host with a tab before the colon", "Host\t: smuggled"),
        ("a Host with an underscore", "Ho_st: smuggled"),
    ];
    vectors.extend(fields.map(|(name, field)| vector(name, get(&format!("{field}\r\n")), Refused)));
    let both: Seen = &[("/a", ""), ("/b", "")];
    let next = HIDDEN.replace("smuggled", "b");
    vectors.extend([
        vector(
            "an empty line between two requests",
            format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n\r\n{next}"),
            Either(both),
        ),
        vector("an empty line in front", format!("\r\nGET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Either(&[("/a", "")])),
        vector("empty lines in front", format!("\r\n\r\n\r\nGET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused),
        vector("more options than anybody has", get(&format!("Connection: {}\r\n", "x,".repeat(65))), Refused),
        vector("more of them, in many fields", get(&"Connection: x\r\n".repeat(65)), Refused),
        vector(
            "a few options",
            format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: {}\r\n\r\n", "x,,".repeat(64)),
            Fate::Forwarded(&[("/a", "")]),
        ),
        vector("LF in front", format!("\nGET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused),
        vector("CR in front", format!("\rGET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), Refused),
        vector("no field at all", format!("GET /a HTTP/1.1\r\n\r\n{HIDDEN}"), Refused),
        vector("an empty Host", format!("GET /a HTTP/1.1\r\nHost:\r\n\r\n{HIDDEN}"), Refused),
        vector("two requests", format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n{next}"), Fate::Forwarded(both)),
    ]);
    vectors
}
