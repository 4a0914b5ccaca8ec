//! What the text means: `serde_yaml` is the parser of record.
//!
//! Its own value type stops at the first duplicate key without a place and its own limit on aliases still lets a
//! large file multiply, so the events are taken into a type of ours that keeps duplicates and counts.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

/// Most values (scalars, lists, maps) that a configuration may hold after its aliases are followed.
pub(super) const VALUES_MAX: usize = 2_000_000;
/// Most bytes of text that all scalars together may hold after aliases are followed.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A value as read, duplicates kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

/// Reads exactly one document; an empty text is [`Raw::Null`].
pub(super) fn parse(text: &str) -> Result<Raw, serde_yaml::Error> {
    let budget = Budget { values: Cell::new(VALUES_MAX), bytes: Cell::new(TEXT_BYTES_MAX) };
    Seed(&budget).deserialize(serde_yaml::Deserializer::from_str(text))
}

/// What may still be read.
struct Budget {
    values: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let values = self.values.get().checked_sub(1).ok_or_else(|| {
            E::custom(format_args!(
                "the configuration exceeds the limit of {VALUES_MAX} values; are aliases multiplied?"
            ))
        })?;
        let bytes = self.bytes.get().checked_sub(bytes).ok_or_else(|| {
            E::custom(format_args!(
                "the configuration exceeds the limit of {TEXT_BYTES_MAX} bytes; are aliases multiplied?"
            ))
        })?;
        self.values.set(values);
        self.bytes.set(bytes);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Seed<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        self.0.spend(0)?;
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        self.0.spend(0)?;
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        self.visit_i128(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        self.visit_i128(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        self.0.spend(0)?;
        Ok(Raw::Int(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        match i128::try_from(value) {
            Ok(value) => self.visit_i128(value),
            Err(_) => self.visit_string(value.to_string()),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        self.0.spend(0)?;
        Ok(Raw::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        self.0.spend(value.len())?;
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Raw, E> {
        self.0.spend(value.len())?;
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        self.0.spend(0)?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(self)? {
            entries.push((key, access.next_value_seed(self)?));
        }
        Ok(Raw::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Raw, A::Error> {
        let (_tag, _contents) = access.variant_seed(self)?;
        Err(A::Error::custom("a YAML tag (`!name`) is not expected here; write the value without it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_values_are_read() {
        let text = |s: &str| Raw::Text(s.into());
        for (source, expected) in [
            ("", Raw::Null),
            ("# nothing\n", Raw::Null),
            ("~", Raw::Null),
            ("true", Raw::Bool(true)),
            ("yes", text("yes")),
            ("-7", Raw::Int(-7)),
            ("18446744073709551615", Raw::Int(u64::MAX.into())),
            ("1.5", Raw::Float(1.5)),
            ("!!str 5", text("5")),
            ("\"5\"", text("5")),
            ("{\"a\": [1, null]}", Raw::Map(vec![(text("a"), Raw::List(vec![Raw::Int(1), Raw::Null]))])),
            ("a: 1\na: 2", Raw::Map(vec![(text("a"), Raw::Int(1)), (text("a"), Raw::Int(2))])),
        ] {
            assert_eq!(parse(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn numbers_beyond_every_integer_are_no_panic() {
        assert!(parse("340282366920938463463374607431768211455").is_ok());
        assert!(parse(&"9".repeat(400)).is_ok());
    }
}
