//! What a client certificate says, read once per connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use x509_parser::der_parser::der;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The type of a user principal name among the other names (Microsoft's, 1.3.6.1.4.1.311.20.2.3).
const USER_PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";
/// Most alternative names that are looked at; a certificate with more has none.
const NAMES_MAX: usize = 256;

/// The facts of a certificate. What cannot be read is left empty; then the certificate is not valid either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaf {
    /// SHA-256 over the certificate.
    pub fingerprint: [u8; 32],
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub spki_hash: [u8; 32],
    pub subject: Box<str>,
    pub issuer: Box<str>,
    /// End of its life, Unix seconds.
    pub not_after: i64,
    pub names: Names,
}

/// The subject alternative names, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub dns: Vec<Box<str>>,
    pub email: Vec<Box<str>>,
    pub uri: Vec<Box<str>>,
    pub ip_address: Vec<Box<str>>,
    pub user_principal_name: Vec<Box<str>>,
}

impl Leaf {
    pub fn read(certificate: &[u8]) -> Leaf {
        let mut leaf = Leaf { fingerprint: sha256(certificate), ..Leaf::default() };
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return leaf };
        leaf.spki_hash = sha256(parsed.public_key().raw);
        leaf.subject = parsed.subject().to_string().into();
        leaf.issuer = parsed.issuer().to_string().into();
        leaf.not_after = parsed.validity().not_after.timestamp();
        if let Ok(Some(extension)) = parsed.subject_alternative_name() {
            let names = &extension.value.general_names;
            if names.len() <= NAMES_MAX {
                names.iter().for_each(|name| leaf.names.add(name));
            }
        }
        leaf
    }

    /// The fingerprint as 64 hexadecimal digits in lower case.
    pub fn fingerprint_hex(&self) -> String {
        hexadecimal(&self.fingerprint)
    }
}

impl Names {
    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).into()),
            GeneralName::RFC822Name(name) => self.email.push((*name).into()),
            GeneralName::URI(name) => self.uri.push((*name).into()),
            GeneralName::IPAddress(bytes) => self.ip_address.extend(address(bytes).map(|ip| ip.to_string().into())),
            GeneralName::OtherName(kind, value) if kind.to_id_string() == USER_PRINCIPAL_NAME => {
                self.user_principal_name.extend(principal(value));
            }
            _ => {}
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// The UTF-8 text within the explicit tag of another name.
fn principal(value: &[u8]) -> Option<Box<str>> {
    let (_, outer) = der::parse_der(value).ok()?;
    let (_, inner) = der::parse_der(outer.as_slice().ok()?).ok()?;
    inner.as_str().ok().map(Box::from)
}

/// `bytes` as hexadecimal digits in lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
