//! User certificates of OpenSSH (`PROTOCOL.certkeys`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::signature;
use super::wire::{Reader, key_parts};

/// Most principals of a certificate; OpenSSH's own bound.
const PRINCIPALS_MAX: usize = 256;
/// The type of certificates that speak for users.
const USER: u32 = 1;
/// The critical option that bounds where the user may come from; the only one that is understood.
const SOURCE_ADDRESS: &str = "source-address";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Certificate {
    /// The public key of who issued it, in its wire format.
    pub(super) authority: Box<[u8]>,
    principals: Box<[Box<str>]>,
    /// Unix seconds.
    valid_after: u64,
    /// Unix seconds; over from this moment on.
    valid_before: u64,
    /// Where the user may come from; `None`: from anywhere.
    sources: Option<Box<[IpNet]>>,
    /// It is about a user, its signature is good, and no critical option is strange.
    is_sound: bool,
}

/// The algorithm of the key that a certificate of this algorithm is about.
pub(super) fn plain_algorithm(algorithm: &str) -> Option<&str> {
    Some(match algorithm {
        "sk-ssh-ed25519-cert-v01@openssh.com" => "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" => "sk-ecdsa-sha2-nistp256@openssh.com",
        _ => algorithm.strip_suffix("-cert-v01@openssh.com").filter(|plain| key_parts(plain).is_some())?,
    })
}

impl Certificate {
    /// Reads what follows the algorithm's name in `whole`.
    pub(super) fn read(plain: &str, reader: &mut Reader<'_>, whole: &[u8]) -> Option<Certificate> {
        let _nonce = reader.string()?;
        // An RSA certificate names exponent and modulus, an ECDSA one the curve and the point, as their keys do.
        reader.skip(key_parts(plain)?)?;
        let _serial = reader.uint64()?;
        let kind = reader.uint32()?;
        let _key_id = reader.string()?;
        let principals = principals(reader.string()?)?;
        let (valid_after, valid_before) = (reader.uint64()?, reader.uint64()?);
        let options = Options::read(reader.string()?)?;
        let _extensions = reader.string()?;
        let _reserved = reader.string()?;
        let authority = reader.string()?;
        let signed = &whole[..whole.len() - reader.len()];
        let is_signed = signature::verifies(authority, reader.string()?, signed);
        Some(Certificate {
            authority: authority.into(),
            principals,
            valid_after,
            valid_before,
            sources: options.sources,
            is_sound: kind == USER && is_signed && !options.has_strange,
        })
    }

    /// Whether it is good for `username`, who comes from `source`, at `now`. One without principals is good for nobody,
    /// as in sshd.
    pub(super) fn admits(&self, username: &str, source: IpAddr, now: i64) -> bool {
        let Ok(now) = u64::try_from(now) else { return false };
        let source = source.to_canonical();
        self.is_sound
            && (self.valid_after..self.valid_before).contains(&now)
            && self.principals.iter().any(|principal| **principal == *username)
            && self.sources.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(&source)))
    }
}

fn principals(packed: &[u8]) -> Option<Box<[Box<str>]>> {
    let mut reader = Reader::new(packed);
    let mut principals = Vec::new();
    while !reader.is_empty() {
        if principals.len() >= PRINCIPALS_MAX {
            return None;
        }
        principals.push(reader.text()?.into());
    }
    Some(principals.into())
}

/// Critical options: whoever does not understand one must refuse the certificate.
#[derive(Default)]
struct Options {
    sources: Option<Box<[IpNet]>>,
    has_strange: bool,
}

impl Options {
    fn read(packed: &[u8]) -> Option<Options> {
        let mut reader = Reader::new(packed);
        let mut options = Options::default();
        while !reader.is_empty() {
            let (name, data) = (reader.text()?, reader.string()?);
            let mut data = Reader::new(data);
            match name {
                SOURCE_ADDRESS if options.sources.is_none() => {
                    let networks: Result<Box<[IpNet]>, _> = data.text()?.split(',').map(network).collect();
                    data.end()?;
                    options.has_strange |= networks.is_err();
                    options.sources = Some(networks.unwrap_or_default());
                }
                _ => options.has_strange = true,
            }
        }
        Some(options)
    }
}

fn network(text: &str) -> Result<IpNet, ()> {
    let alone = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    alone.or_else(|_| text.parse()).map_err(|_| ())
}
