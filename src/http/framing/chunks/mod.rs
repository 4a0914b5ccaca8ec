//! The chunked coding (RFC 9112 section 7.1) without I/O: a strict decoder and the head that we write ourselves.
//!
//! Extensions are read within bounds and dropped, trailers read within bounds and kept apart: what goes on is written
//! anew, chunk by chunk, so that nothing a sender hid between the chunks reaches the next server.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::http::fields;
use crate::http::trailers::Trailers;

/// How many bytes of chunk extensions one body may hold in all.
pub const MAX_EXTENSION_BYTES: usize = 4096;
/// How many bytes the trailer section may hold.
pub const MAX_TRAILER_BYTES: usize = 8192;
/// How many trailer fields there may be.
pub const MAX_TRAILERS: usize = 64;
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// As many hexadecimal digits as 64 bits have; bounds leading zeros too.
const MAX_SIZE_DIGITS: u8 = 16;
/// The largest chunk, so that sums stay within 64 bits.
const MAX_CHUNK: u64 = i64::MAX as u64;

/// Why a chunked body was refused. The connection cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("the chunk size holds byte {0:#04x} where a hexadecimal digit or the end of the line was expected")]
    Size(u8),
    #[error("the chunk size has more than {MAX_SIZE_DIGITS} digits or is above {MAX_CHUNK}")]
    SizeTooLarge,
    #[error("the chunk extension holds the control character {0:#04x}")]
    Extension(u8),
    #[error("the chunk extensions of the body are longer than {MAX_EXTENSION_BYTES} bytes")]
    ExtensionsTooLong,
    #[error("a line or a chunk ends in byte {0:#04x} where carriage return and line feed were expected")]
    LineEnd(u8),
    #[error("the trailer section holds byte {0:#04x} where none such may be")]
    Trailer(u8),
    #[error("the trailer section has more than {MAX_TRAILER_BYTES} bytes or {MAX_TRAILERS} fields")]
    TrailersTooLong,
    #[error("bytes were offered after the end of the body")]
    Finished,
}

/// What the decoder found at the start of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Body bytes, never an empty range. Everything up to `range.end` is done with; call again with the rest.
    Data(Range<usize>),
    /// All of the input is done with, and the body goes on.
    More,
    /// The body ended after so many bytes of the input, trailers included. The rest belongs to the next message.
    End { consumed: usize },
}

/// Reads a chunked body from pieces of any size. After an error the body is lost.
#[derive(Debug, Clone, Default)]
pub struct ChunkDecoder {
    state: State,
    /// The size of the current chunk; in `Data`, what is left of it.
    size: u64,
    digits: u8,
    extension_bytes: usize,
    /// The lines of the trailer section.
    section: Vec<u8>,
    trailers: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// At the size, some digits of which may have been read.
    #[default]
    Size,
    /// Behind the size, in white space that only an extension may follow.
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line of the trailer section.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Ended,
}

impl ChunkDecoder {
    pub fn new() -> ChunkDecoder {
        ChunkDecoder::default()
    }

    /// Whether the body has ended. If the sender closes before, the body is truncated.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The trailers, once the body has ended; `None` when there are none that may go on.
    pub fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        if self.section.is_empty() {
            return None;
        }
        // The bounds of the section are within those of trailers.
        let trailers = Trailers::parse(&std::mem::take(&mut self.section)).unwrap_or_default();
        (!trailers.is_empty()).then(|| Box::new(trailers))
    }

    /// Reads on in `input`, the bytes behind all those that earlier steps were done with.
    pub fn next(&mut self, input: &[u8]) -> Result<Step, ChunkError> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let rest = (input.len() - at) as u64;
                let len = self.size.min(rest);
                self.size -= len;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                // `len` is at most the length of a slice.
                return Ok(Step::Data(at..at + len as usize));
            }
            self.state = self.after(byte)?;
            at += 1;
            if self.state == State::Ended {
                return Ok(Step::End { consumed: at });
            }
        }
        Ok(Step::More)
    }

    /// The state after one byte outside of the data.
    fn after(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size => self.after_size(byte),
            State::SizeSpace => self.after_space(byte),
            State::Extension => self.after_extension(byte),
            State::SizeLf => match byte {
                b'\n' => Ok(self.chunk_start()),
                _ => Err(ChunkError::LineEnd(byte)),
            },
            State::DataCr => match byte {
                b'\r' => Ok(State::DataLf),
                _ => Err(ChunkError::LineEnd(byte)),
            },
            State::DataLf => match byte {
                b'\n' => Ok(State::Size),
                _ => Err(ChunkError::LineEnd(byte)),
            },
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf | State::LastLf => {
                self.after_trailer(byte)
            }
            State::Data | State::Ended => Err(ChunkError::Finished),
        }
    }

    fn after_size(&mut self, byte: u8) -> Result<State, ChunkError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' if self.digits > 0 => return Ok(State::Extension),
            b' ' | b'\t' if self.digits > 0 => return self.after_space(byte),
            b'\r' if self.digits > 0 => return Ok(State::SizeLf),
            _ => return Err(ChunkError::Size(byte)),
        };
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS {
            return Err(ChunkError::SizeTooLarge);
        }
        // Sixteen digits fill the 64 bits and no more.
        self.size = self.size << 4 | u64::from(digit);
        match self.size > MAX_CHUNK {
            true => Err(ChunkError::SizeTooLarge),
            false => Ok(State::Size),
        }
    }

    /// White space before an extension ("bad", but to be read: RFC 9112 section 7.1.1). Before the end of the line it is
    /// none of the grammar's.
    fn after_space(&mut self, byte: u8) -> Result<State, ChunkError> {
        match byte {
            b';' => Ok(State::Extension),
            b' ' | b'\t' => self.count_extension_byte(State::SizeSpace),
            _ => Err(ChunkError::Size(b' ')),
        }
    }

    fn after_extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        match byte {
            b'\r' => Ok(State::SizeLf),
            b'\t' | 0x20..=0x7e | 0x80..=0xff => self.count_extension_byte(State::Extension),
            _ => Err(ChunkError::Extension(byte)),
        }
    }

    fn count_extension_byte(&mut self, next: State) -> Result<State, ChunkError> {
        self.extension_bytes += 1;
        match self.extension_bytes > MAX_EXTENSION_BYTES {
            true => Err(ChunkError::ExtensionsTooLong),
            false => Ok(next),
        }
    }

    /// The line with the size is over: data, or the trailers behind the last chunk.
    fn chunk_start(&mut self) -> State {
        self.digits = 0;
        match self.size {
            0 => State::TrailerStart,
            _ => State::Data,
        }
    }

    fn after_trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        if self.section.len() >= MAX_TRAILER_BYTES {
            return Err(ChunkError::TrailersTooLong);
        }
        // The line that ends the section is none of its own.
        if !matches!((self.state, byte), (State::TrailerStart, b'\r') | (State::LastLf, _)) {
            self.section.push(byte);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::LastLf),
            // A line that starts with white space would continue the one before it (obs-fold).
            (State::TrailerStart, _) if fields::is_token_byte(byte) => {
                self.trailers += 1;
                match self.trailers > MAX_TRAILERS {
                    true => Err(ChunkError::TrailersTooLong),
                    false => Ok(State::TrailerName),
                }
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) if fields::is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if fields::is_value_byte(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::LastLf, b'\n') => Ok(State::Ended),
            (State::TrailerLf | State::LastLf, _) => Err(ChunkError::LineEnd(byte)),
            _ => Err(ChunkError::Trailer(byte)),
        }
    }
}

/// Writes the line in front of a chunk of `len` bytes; behind its data belongs `\r\n`. Writes nothing if `len` is
/// nought, which would end the body: that is [`LAST_CHUNK`].
pub fn write_chunk_head(out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if len == 0 {
        return;
    }
    let nibbles = usize::BITS.div_ceil(4) - len.leading_zeros() / 4;
    for nibble in (0..nibbles).rev() {
        out.push(DIGITS[len >> (nibble * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}
