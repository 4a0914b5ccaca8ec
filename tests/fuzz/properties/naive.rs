//! Readers of HTTP/1 that are too simple to be wrong: whole messages, no states, no speed.

/// A head: the parts of its first line, and its fields.
pub struct Head<'a> {
    pub line: [&'a [u8]; 3],
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e | 0x80..=0xff))
}

/// The lines of `bytes`, each of which must end with CR LF and hold neither elsewhere.
fn lines(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, after) = rest.split_at(end);
        if line.contains(&b'\r') || line.contains(&b'\n') {
            return None;
        }
        lines.push(line);
        rest = &after[2..];
    }
    Some(lines)
}

/// A whole head, its empty line included. The first line has three parts apart by single spaces; the third may hold
/// spaces itself (a reason).
pub fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let lines = lines(bytes)?;
    let [first, fields @ .., b""] = &lines[..] else { return None };
    let mut parts = first.splitn(3, |b| *b == b' ');
    let line = [parts.next()?, parts.next()?, parts.next().unwrap_or_default()];
    let fields = fields.iter().map(|line| field(line)).collect::<Option<_>>()?;
    Some(Head { line, fields })
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    (is_token(name) && is_value(value)).then(|| (name, trim(value)))
}

pub fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = bytes.iter().position(|b| !is_space(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_space(b)).map_or(start, |at| at + 1);
    &bytes[start..end]
}

/// A whole chunked body at the start of `bytes`: its data, and how many bytes it took. Without any bound.
pub fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let line = next_line(bytes, &mut at)?;
        let size = match line.iter().position(|b| *b == b';') {
            Some(end) if is_value(&line[end..]) => without_space_behind(&line[..end]),
            Some(_) => return None,
            None => line,
        };
        if size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::try_from(u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?).ok()?;
        if size == 0 {
            while !matches!(next_line(bytes, &mut at)?, b"") {}
            return Some((data, at));
        }
        data.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
}

fn without_space_behind(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |at| at + 1);
    &bytes[..end]
}

fn next_line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    let line = &rest[..end];
    (!line.contains(&b'\n') && !line.contains(&b'\r')).then_some(line)
}
