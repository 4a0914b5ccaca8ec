//! A request as an upstream reads it, by a reader that takes only the canonical form.

use std::io::{self, ErrorKind, Read};

/// Largest head that an upstream of these tests reads, in bytes.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub chunked: bool,
}

impl Request {
    /// Reads the head of the next request; `None` when the peer has closed between two requests. Anything that is not
    /// canonical HTTP/1.1 is an error: a proxy must have refused it or brought it into form.
    pub fn read_head(from: &mut impl Read) -> io::Result<Option<Request>> {
        let Some(head) = read_head_bytes(from)? else { return Ok(None) };
        let head = String::from_utf8(head).map_err(|e| bad(format!("not UTF-8: {e}")))?;
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let mut line = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (line.next(), line.next(), line.next());
        let (Some(method), Some(target), Some("HTTP/1.1"), None) = (method, target, version, line.next()) else {
            return Err(bad(format!("request line of {head:?}")));
        };
        let headers = lines.map(field).collect::<io::Result<Vec<_>>>()?;
        let mut request =
            Request { method: method.to_owned(), target: target.to_owned(), headers, ..Request::default() };
        request.chunked = !request.all("transfer-encoding").is_empty();
        if request.chunked && (request.all("transfer-encoding") != ["chunked"] || request.length()?.is_some()) {
            return Err(bad(format!("framing of {head:?}")));
        }
        if request.all("host").len() != 1 {
            return Err(bad(format!("Host of {head:?}")));
        }
        Ok(Some(request))
    }

    /// Reads the body that the head announces.
    pub fn read_body(&mut self, from: &mut impl Read) -> io::Result<()> {
        if self.chunked {
            self.body = read_chunks(from)?;
        } else if let Some(length) = self.length()? {
            self.body = vec![0; length];
            from.read_exact(&mut self.body)?;
        }
        Ok(())
    }

    /// The announced length of the body.
    pub fn length(&self) -> io::Result<Option<usize>> {
        match self.all("content-length")[..] {
            [] => Ok(None),
            [one] if !one.is_empty() && one.bytes().all(|b| b.is_ascii_digit()) => {
                one.parse().map(Some).map_err(|_| bad(format!("content-length {one:?}")))
            }
            ref several => Err(bad(format!("content-length {several:?}"))),
        }
    }

    /// The values of all fields called `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of the only field called `name`; empty when there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} stands {} times in {self:?}", all.len());
        all.first().copied().unwrap_or("")
    }

    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }
}

fn read_head_bytes(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match from.read(&mut byte) {
            Ok(0) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(bad(format!("closed within a head: {:?}", String::from_utf8_lossy(&head)))),
            Ok(_) => head.push(byte[0]),
            Err(e) if head.is_empty() && e.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(e) => return Err(e),
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(bad("a head without end".to_owned()));
        }
    }
    Ok(Some(head))
}

/// A field line: a token, a colon right after it, no control character in the value.
fn field(line: &str) -> io::Result<(String, String)> {
    let (name, value) = line.split_once(':').ok_or_else(|| bad(format!("field line {line:?}")))?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f) {
        return Err(bad(format!("field line {line:?}")));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn read_chunks(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() || !line.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad(format!("chunk size {line:?} is not canonical")));
        }
        let size = usize::from_str_radix(&line, 16).map_err(|_| bad(format!("chunk size {line:?}")))?;
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(body);
        }
        if !read_line(from)?.is_empty() {
            return Err(bad("a chunk is longer than it says".to_owned()));
        }
    }
}

fn read_line(from: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        from.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > 8192 {
            return Err(bad("a line without end".to_owned()));
        }
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(|e| bad(e.to_string()))
}

fn bad(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
