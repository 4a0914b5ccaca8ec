//! Listen addresses: `:8443`, `127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a text is no listen address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressError {
    /// There is no colon, or the host is no address.
    Form,
    /// The port is no number.
    Port,
    /// The port is negative or above 65535.
    Range,
}

/// Reads a listen address. No host means every interface, IPv6 and IPv4; port 0 lets the system choose.
pub(super) fn parse(text: &str) -> Result<SocketAddr, AddressError> {
    let text = text.trim().trim_matches(['"', '\'']);
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
    let host = host_of(host).ok_or(AddressError::Form)?;
    let port: i128 = port.parse().map_err(|_| AddressError::Port)?;
    let port = u16::try_from(port).map_err(|_| AddressError::Range)?;
    Ok(SocketAddr::new(host, port))
}

fn host_of(host: &str) -> Option<IpAddr> {
    if host.is_empty() || host == "*" {
        return Some(Ipv6Addr::UNSPECIFIED.into());
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_each_form() {
        for (text, expected) in [
            (":443", Ok("[::]:443")),
            (":0", Ok("[::]:0")),
            ("0.0.0.0:80", Ok("0.0.0.0:80")),
            ("localhost:1234", Ok("127.0.0.1:1234")),
            ("[::1]:8443", Ok("[::1]:8443")),
            ("\":8443\"", Ok("[::]:8443")),
            ("443", Err(AddressError::Form)),
            ("", Err(AddressError::Form)),
            ("::1:80", Err(AddressError::Form)),
            ("example.com:443", Err(AddressError::Form)),
            (":https", Err(AddressError::Port)),
            (":", Err(AddressError::Port)),
            (":70000", Err(AddressError::Range)),
            (":-1", Err(AddressError::Range)),
        ] {
            assert_eq!(parse(text), expected.map(|e| e.parse().unwrap()), "{text}");
        }
    }
}
