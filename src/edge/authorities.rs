//! The authorities that clients asked for lately, in their normal form: they are few, and each is asked for often.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::rc::Rc;

use crate::http::authority::{self, Authority, AuthorityError};

/// Places; each remembers the last authority that fell to it.
const PLACES: usize = 64;
/// Longer ones are not remembered, in bytes.
const RAW_BYTES_MAX: usize = 128;

/// What a worker remembers, by exactly the bytes that clients sent.
#[derive(Default)]
pub struct Authorities {
    hasher: foldhash::fast::RandomState,
    places: RefCell<Vec<Option<Known>>>,
}

struct Known {
    raw: Box<[u8]>,
    normal: Rc<Authority<'static>>,
}

impl Authorities {
    /// The normal form of `raw`, as [`authority::parse`] finds it.
    pub fn of(&self, raw: &[u8]) -> Result<Rc<Authority<'static>>, AuthorityError> {
        let place = self.hasher.hash_one(raw) as usize % PLACES;
        let mut places = self.places.borrow_mut();
        if let Some(Some(known)) = places.get(place)
            && *known.raw == *raw
        {
            return Ok(known.normal.clone());
        }
        let normal = Rc::new(authority::parse(raw)?.into_owned());
        if raw.len() <= RAW_BYTES_MAX {
            places.resize_with(PLACES, || None);
            places[place] = Some(Known { raw: raw.into(), normal: normal.clone() });
        }
        Ok(normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_is_parsed() {
        let authorities = Authorities::default();
        let many = (0..200).map(|n| format!("Host-{n}.example:{}", n + 1));
        let spellings = ["a.test", "A.test", "a.test.", "a.test:443", "a..test", "a b", "", "[::1]", "127.1"];
        let all: Vec<String> = many.chain(spellings.map(Into::into)).chain(["x".repeat(RAW_BYTES_MAX + 1)]).collect();
        for raw in all.iter().chain(&all) {
            let found = authorities.of(raw.as_bytes()).map(|normal| (*normal).clone());
            assert_eq!(found, authority::parse(raw.as_bytes()).map(Authority::into_owned), "{raw}");
        }
    }
}
