//! A response as a client reads it, by a reader that is strict about framing.

use std::io::{self, ErrorKind, Read};

/// One final response and the interim ones before it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Status codes of the 1xx answers that came first.
    pub interim: Vec<u16>,
    /// The framing was chunked.
    pub chunked: bool,
}

impl Answer {
    /// Reads one response to a request made with `method`.
    pub fn read(from: &mut impl Read, method: &str) -> io::Result<Answer> {
        let mut interim = Vec::new();
        let mut answer = loop {
            let answer = read_head(from)?;
            if answer.status / 100 != 1 || answer.status == 101 {
                break answer;
            }
            interim.push(answer.status);
        };
        answer.interim = interim;
        answer.body = answer.read_body(from, method)?;
        Ok(answer)
    }

    fn read_body(&mut self, from: &mut impl Read, method: &str) -> io::Result<Vec<u8>> {
        if method == "HEAD" || matches!(self.status, 101 | 204 | 304) {
            return Ok(Vec::new());
        }
        let codings = self.all("transfer-encoding");
        let lengths = self.all("content-length");
        assert!(codings.is_empty() || lengths.is_empty(), "both framings in one answer: {self:?}");
        assert!(lengths.len() <= 1, "several lengths: {self:?}");
        if !codings.is_empty() {
            assert_eq!(codings, ["chunked"], "{self:?}");
            self.chunked = true;
            return read_chunks(from);
        }
        let mut body = Vec::new();
        match lengths.first() {
            Some(length) => {
                let length: u64 = length.parse().map_err(|_| bad(format!("content-length {length:?}")))?;
                if from.take(length).read_to_end(&mut body)? as u64 != length {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            None => {
                read_to_close(from, &mut body)?;
            }
        }
        Ok(body)
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

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: status {}, {}", self.status, self.text()))
    }
}

/// Reads until the peer closes, cleanly or not.
pub fn read_to_close(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => into.extend_from_slice(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

/// Reads a head alone, whose body the caller reads.
pub fn read_head(from: &mut impl Read) -> io::Result<Answer> {
    let status_line = read_line(from)?;
    let mut parts = status_line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    let status = parts.next().and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| bad(format!("status line {status_line:?}")))?;
    if version != "HTTP/1.1" {
        return Err(bad(format!("status line {status_line:?}")));
    }
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok(Answer { status, headers, ..Answer::default() });
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad(format!("field line {line:?}")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| bad(format!("chunk size {line:?}")))?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        let end = read_line(from)?;
        if !end.is_empty() {
            return Err(bad(format!("after a chunk: {end:?}")));
        }
    }
}

/// One line without its CRLF.
fn read_line(from: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        from.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            return String::from_utf8(line).map_err(|e| bad(e.to_string()));
        }
        if line.len() > 64 * 1024 {
            return Err(bad("a line without end".to_owned()));
        }
    }
}

fn bad(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
