//! An object of strings and lists of strings as one field.

use std::fmt::{self, Write};

/// Between the members of an [`Object`]: U+001E, the record separator.
pub(super) const MEMBERS: char = '\u{1e}';
/// Between a member's key and its values, and between those.
pub(super) const VALUES: char = super::list::SEPARATOR;
/// A field whose name ends so is an object: the key loses the mark.
pub(super) const OBJECT_MARK: &str = "{}";

/// Members for a field named `"…{}"`, shown as a JSON object; a key that ends in `[]` has a list of values. Values may
/// come from anywhere: separators in them become spaces.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a>(pub &'a [(&'static str, &'a [&'a str])]);

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (key, values)) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_char(MEMBERS)?;
            }
            f.write_str(key)?;
            for value in *values {
                f.write_char(VALUES)?;
                value.chars().try_for_each(|c| f.write_char(if matches!(c, MEMBERS | VALUES) { ' ' } else { c }))?;
            }
        }
        Ok(())
    }
}
