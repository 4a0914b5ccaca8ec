//! The admin API over mutual TLS: off unless the CA of its clients is named.

use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::super::section::{Desk, Typed};
use super::super::sections::listener::Listener as Section;
use super::address;
use crate::plan::listener::Admin;

/// Where it is when only the CA is named.
const DEFAULT: &str = ":8444";

/// `admin_client_ca_file` and `admin_address`.
pub(super) fn admin(section: &Section, desk: &Desk) -> Option<Admin> {
    let given = |typed: &&Typed<String>| !typed.value.trim().is_empty();
    let address = section.admin_address.as_ref().filter(given);
    let Some(file) = section.admin_client_ca.as_ref().filter(given) else {
        if let Some(typed) = address {
            let message = "`admin_address` has no effect without `admin_client_ca_file`: whom should it believe?";
            desk.problems.add(typed.warning(message));
        }
        return None;
    };
    let authorities = authorities(file, desk)?;
    let address = match address {
        Some(typed) => listen_address(typed, desk)?,
        None => address::parse(DEFAULT).ok()?,
    };
    Some(Admin { address, authorities })
}

fn listen_address(typed: &Typed<String>, desk: &Desk) -> Option<SocketAddr> {
    let refused = |_| {
        let expected = "expected `:PORT`, `ADDRESS:PORT` or `localhost:PORT`";
        desk.problems.add(typed.error(format!("`admin_address`: {expected}, found {:?}", typed.value)));
    };
    address::parse(&typed.value).map_err(refused).ok()
}

fn authorities(typed: &Typed<String>, desk: &Desk) -> Option<Vec<CertificateDer<'static>>> {
    let refuse = |why: String| desk.problems.add(typed.error(format!("`admin_client_ca_file`: {why}")));
    let pem = desk.files.read(typed.value.trim()).map_err(|error| refuse(error.to_string())).ok()?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(list) if !list.is_empty() => Some(list),
        Ok(_) => {
            refuse("there is no certificate in PEM form".to_owned());
            None
        }
        Err(error) => {
            refuse(format!("a certificate cannot be read: {error}"));
            None
        }
    }
}
