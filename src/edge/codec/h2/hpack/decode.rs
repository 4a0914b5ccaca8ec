//! Header blocks to fields (RFC 7541 sections 3 and 6). Names and values are written side by side into one buffer, which
//! becomes the head's own; nothing is allocated per field.

use super::meaning::{Meaning, is_clean};
use super::table::{ENTRY_OVERHEAD, Table};
use super::{HpackError, huffman, integer, statics};
use crate::http::head::{Field, Span};

/// Most changes of the table size at the start of a block: the lowest and the last (RFC 7541 section 4.2).
const RESIZES_MAX: usize = 2;

/// One field line of a decoded block.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Empty for pseudo-headers and malformed names.
    pub name: Span,
    pub value: Span,
    pub meaning: Meaning,
    /// The value may stand in a request.
    pub clean: bool,
}

/// What a block may decode to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most bytes, counted as RFC 9113 section 6.5.2 counts SETTINGS_MAX_HEADER_LIST_SIZE.
    pub bytes: usize,
    pub lines: usize,
}

/// A decoded block.
#[derive(Debug, Default)]
pub struct Fields {
    pub bytes: Vec<u8>,
    pub lines: Vec<Line>,
    /// Room for the head that the lines will become.
    pub list: Vec<Field>,
    /// So large that some lines were left out.
    pub oversize: Option<Oversize>,
    size: usize,
}

/// Which bound a block broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    Bytes,
    Lines,
}

impl Fields {
    /// Empties this for another block; the room of `lines` is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.oversize = None;
        self.size = 0;
    }

    /// Whether a line of so many bytes still has its place.
    #[inline]
    fn admit(&mut self, length: usize, bounds: &Bounds) -> bool {
        self.size = self.size.saturating_add(length + ENTRY_OVERHEAD);
        if self.size > bounds.bytes {
            self.oversize = self.oversize.or(Some(Oversize::Bytes));
        } else if self.lines.len() >= bounds.lines {
            self.oversize = self.oversize.or(Some(Oversize::Lines));
        }
        self.oversize.is_none()
    }

    fn push(&mut self, start: usize, name: usize, meaning: Meaning, clean: bool) {
        let value = start + name;
        let line = Line { name: Span::new(start, value), value: Span::new(value, self.bytes.len()), meaning, clean };
        self.lines.push(line);
    }

    /// Adds a line that a table knows.
    #[inline]
    fn copy(&mut self, name: &[u8], value: &[u8], meaning: Meaning, clean: bool, bounds: &Bounds) {
        if !self.admit(name.len() + value.len(), bounds) {
            return;
        }
        let start = self.bytes.len();
        let name = if matches!(meaning, Meaning::Field(_)) { name } else { b"" };
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.push(start, name.len(), meaning, clean);
    }
}

/// The client's side of the compression.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
}

impl Decoder {
    pub fn new() -> Self {
        Decoder { table: Table::new() }
    }

    /// Decodes a whole block into `fields`. A block that breaks `bounds` is decoded to its end all the same, since later
    /// blocks depend on what it adds to the table.
    pub fn decode(&mut self, mut block: &[u8], bounds: &Bounds, fields: &mut Fields) -> Result<(), HpackError> {
        let mut resizes = 0;
        while let Some((&first, rest)) = block.split_first() {
            block = rest;
            if first & 0x80 != 0 {
                let index = integer::read(first, 7, &mut block)?;
                self.indexed(index, bounds, fields)?;
            } else if first & 0xe0 == 0x20 {
                resizes += 1;
                let max = integer::read(first, 5, &mut block)?;
                if resizes > RESIZES_MAX || fields.size > 0 || !self.table.resize(max) {
                    return Err(HpackError::TableSize);
                }
            } else {
                let adds = first & 0x40 != 0;
                let index = integer::read(first, if adds { 6 } else { 4 }, &mut block)?;
                self.literal(index, adds, &mut block, bounds, fields)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn indexed(&mut self, index: usize, bounds: &Bounds, fields: &mut Fields) -> Result<(), HpackError> {
        let position = index.checked_sub(1).ok_or(HpackError::Index)?;
        if let Some(known) = statics::TABLE.get(position) {
            fields.copy(known.name, known.value, known.meaning, true, bounds);
        } else {
            let known = self.table.get(position - statics::COUNT).ok_or(HpackError::Index)?;
            fields.copy(known.name, known.value, known.meaning, known.clean, bounds);
        }
        Ok(())
    }

    fn literal(
        &mut self,
        index: usize,
        adds: bool,
        block: &mut &[u8],
        bounds: &Bounds,
        fields: &mut Fields,
    ) -> Result<(), HpackError> {
        let start = fields.bytes.len();
        let meaning = if index == 0 {
            string(block, &mut fields.bytes)?;
            Meaning::of(&fields.bytes[start..])
        } else {
            self.name(index - 1, &mut fields.bytes)?
        };
        let middle = fields.bytes.len();
        string(block, &mut fields.bytes)?;
        let (name, value) = fields.bytes[start..].split_at(middle - start);
        let clean = is_clean(value);
        if adds {
            self.table.insert(name, value, meaning, clean);
        }
        if fields.admit(fields.bytes.len() - start, bounds) {
            let value = Span::new(middle, fields.bytes.len());
            let name = if matches!(meaning, Meaning::Field(_)) { start } else { middle };
            fields.lines.push(Line { name: Span::new(name, middle), value, meaning, clean });
        } else {
            fields.bytes.truncate(start);
        }
        Ok(())
    }

    /// Appends the name at `position` of both tables.
    fn name(&self, position: usize, out: &mut Vec<u8>) -> Result<Meaning, HpackError> {
        if let Some(known) = statics::TABLE.get(position) {
            out.extend_from_slice(known.name);
            return Ok(known.meaning);
        }
        let known = self.table.get(position - statics::COUNT).ok_or(HpackError::Index)?;
        out.extend_from_slice(known.name);
        Ok(known.meaning)
    }
}

/// Takes a string (RFC 7541 section 5.2) from `block` and appends it to `out`.
#[inline]
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let (&first, mut rest) = block.split_first().ok_or(HpackError::Truncated)?;
    let length = integer::read(first, 7, &mut rest)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    *block = rest;
    if first & 0x80 != 0 {
        return huffman::decode(text, out);
    }
    out.extend_from_slice(text);
    Ok(())
}
