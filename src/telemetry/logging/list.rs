//! A list of strings as one field.

use std::fmt;

/// Between the items of a [`List`]: U+001F, the unit separator, which no value of a closed vocabulary holds.
pub(super) const SEPARATOR: char = '\u{1f}';
/// A field whose name ends so is a list: the key loses the mark, the value becomes an array.
pub(super) const LIST_MARK: &str = "[]";

/// Strings for a field named `"…[]"`, shown as a JSON array: `info!("reasons[]" = %List(reasons), …)`.
#[derive(Debug, Clone, Copy)]
pub struct List<'a>(pub &'a [&'static str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (position, item) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_char(SEPARATOR)?;
            }
            f.write_str(item)?;
        }
        Ok(())
    }
}
