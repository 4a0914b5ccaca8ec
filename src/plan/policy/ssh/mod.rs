//! Who comes by SSH: the user name that was asked for and the key that was offered.
//!
//! Wire formats: RFC 4251 section 5, RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, and OpenSSH's `PROTOCOL.certkeys`.

mod authorized_key;
mod certificate;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::problem::{Problems, type_name};
use certificate::Certificate;
use wire::Reader;

/// Largest public key or certificate, in bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;

/// A person at the door of SSH.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// The user name that was asked for.
    pub username: Box<str>,
    pub key: Key,
}

/// A public key whose possession was proved, or a certificate about one.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    wire: Box<[u8]>,
    certificate: Option<Certificate>,
}

/// Why bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is larger than {KEY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the key is cut short, or is followed by something else")]
    Form,
    #[error("keys of this algorithm are not known")]
    Algorithm,
}

/// A public key of the configuration, in its wire format.
pub(super) type ListedKey = Box<[u8]>;

impl Key {
    /// Reads the wire format. The signature of a certificate is verified here, once; a bad one makes a key that no
    /// certificate authority vouches for.
    pub fn parse(wire: &[u8]) -> Result<Key, KeyError> {
        if wire.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLarge);
        }
        let mut reader = Reader::new(wire);
        let algorithm = reader.text().ok_or(KeyError::Form)?;
        let certificate = match certificate::plain_algorithm(algorithm) {
            Some(plain) => Some(Certificate::read(plain, &mut reader, wire).ok_or(KeyError::Form)?),
            None => {
                let parts = wire::key_parts(algorithm).ok_or(KeyError::Algorithm)?;
                reader.skip(parts).ok_or(KeyError::Form)?;
                None
            }
        };
        reader.end().ok_or(KeyError::Form)?;
        Ok(Key { wire: wire.into(), certificate })
    }
}

impl Login {
    /// Whether the offered key is one of these. A certificate is not the key that it is about.
    pub(super) fn has_key(&self, keys: &[ListedKey]) -> bool {
        keys.contains(&self.key.wire)
    }

    /// Whether the offered key is a user certificate by one of these authorities, good for this user name at `now` (Unix
    /// seconds).
    pub(super) fn is_certified_by(&self, authorities: &[ListedKey], source: std::net::IpAddr, now: i64) -> bool {
        let certificate = self.key.certificate.as_ref();
        certificate.is_some_and(|c| authorities.contains(&c.authority) && c.admits(&self.username, source, now))
    }
}

/// Reads one line of `authorized_keys`, or a list of them.
pub(super) fn read_keys(data: &Value, problems: &mut Problems) -> Box<[ListedKey]> {
    match data {
        Value::String(_) => read_key(data, problems).into_iter().collect(),
        Value::Array(list) => {
            let one = |(index, data)| problems.index(index, |problems| read_key(data, problems));
            list.iter().enumerate().filter_map(one).collect()
        }
        _ => {
            let seen = type_name(data);
            problems.note_data(format_args!("expected string or array of strings, got: {seen}"));
            Box::default()
        }
    }
}

fn read_key(data: &Value, problems: &mut Problems) -> Option<ListedKey> {
    let Value::String(text) = data else {
        return problems.bad_data(format_args!("expected string value, got: {}", type_name(data)));
    };
    // The text is that of Go's library.
    authorized_key::parse(text).or_else(|| problems.bad_data("ssh: no key found"))
}
