//! Which certificate answers for a server name: exact name, then wildcard, else none (never "the first").

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// The configured certificates by the names that they carry.
#[derive(Debug, Default)]
pub struct Index {
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By the part after `*.`.
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
    loaded: usize,
}

impl Index {
    /// Adds a certificate under each of its DNS names (`a.example`, `*.example`) and IP addresses. The first certificate
    /// to claim a name keeps it.
    pub fn insert<'a>(&mut self, key: Arc<CertifiedKey>, names: impl IntoIterator<Item = &'a str>) {
        self.loaded += 1;
        for name in names {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let (map, name) = match name.strip_prefix("*.") {
                Some(rest) => (&mut self.wildcard, rest.to_owned()),
                None => (&mut self.exact, name),
            };
            map.entry(name.into_boxed_str()).or_insert_with(|| key.clone());
        }
    }

    /// The certificate for `name` (lower case, no trailing dot), if one was configured for it. A wildcard covers
    /// exactly one label (RFC 6125 section 6.4.3).
    pub fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.exact.get(name).or_else(|| {
            let (label, rest) = name.split_once('.')?;
            (!label.is_empty()).then(|| self.wildcard.get(rest)).flatten()
        })
    }

    /// How many certificates were configured.
    pub fn len(&self) -> usize {
        self.loaded
    }

    pub fn is_empty(&self) -> bool {
        self.loaded == 0
    }
}
