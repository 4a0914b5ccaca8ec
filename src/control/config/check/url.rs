//! URLs as Pomerium takes them apart: `from` and `to` may hold wildcards and schemes that no browser knows.

use url::Host;

/// A URL in its parts. Host and scheme are in normal form, the rest is as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) scheme: String,
    /// Lower case, no trailing dot, IPv6 without brackets; may hold `*`.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// With its leading slash; empty when there is none.
    pub(super) path: String,
}

impl Parts {
    /// The host as it stands in an authority: IPv6 in brackets.
    pub(super) fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    pub(super) fn has_path(&self) -> bool {
        !matches!(self.path.as_str(), "" | "/")
    }
}

/// The URL without a password, fit for messages.
pub(super) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => url.to_owned(),
    }
}

/// Takes a URL apart; the errors are Pomerium's texts where it has one.
pub(super) fn split(url: &str) -> Result<Parts, String> {
    let text = url.trim();
    if text.is_empty() {
        return Err("url cannot be empty".to_owned());
    }
    let seen = shown(text);
    let scheme = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let Some((scheme, rest)) = scheme else {
        return Err(format!("{seen} url does not contain a valid scheme"));
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let no_host = || format!("{seen} url does not contain a valid hostname. have you specified protocol (ex: https)");
    if authority.contains('@') {
        return Err(format!("{seen} url holds a user name or password, which is not expected here"));
    }
    if path.contains(['?', '#', '\\']) || path.chars().any(|c| c.is_control() || c == ' ') {
        return Err(format!(
            "{seen} url holds a query, a fragment, a backslash or white space, which is not expected here"
        ));
    }
    let (host, port) = host_and_port(authority).ok_or_else(|| format!("{seen} url does not contain a valid port"))?;
    let host = normal_host(host).ok_or_else(no_host)?;
    Ok(Parts { scheme: scheme.to_ascii_lowercase(), host, port, path: path.to_owned() })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// The host as written and the port; `None` for a port that is no number from 1 to 65535.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| bracket + at),
        None => authority.rfind(':'),
    };
    let Some(colon) = colon else { return Some((authority, None)) };
    let digits = &authority[colon + 1..];
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = digits.parse::<u16>().ok().filter(|p| *p > 0)?;
    Some((&authority[..colon], Some(port)))
}

/// Lower case, punycode, no trailing dot, addresses in their one form.
pub(super) fn normal_host(host: &str) -> Option<String> {
    if host.contains('*') {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
        return host.bytes().all(plain).then(|| host.trim_end_matches('.').to_ascii_lowercase());
    }
    if host.contains('%') {
        return None;
    }
    match Host::parse(host).ok()? {
        Host::Domain(name) => Some(name.trim_end_matches('.').to_owned()).filter(|n| !n.is_empty() && n.len() <= 253),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

/// Whether the host is this machine: `localhost`, `*.localhost`, 127.0.0.0/8 or ::1.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// An http or https URL of a service of ours or of an identity provider.
pub(super) fn service(text: &str) -> Result<url::Url, String> {
    let parts = split(text)?;
    if !matches!(parts.scheme.as_str(), "http" | "https") {
        return Err(format!("{} url does not contain a valid scheme (http or https)", shown(text)));
    }
    if parts.host.contains('*') {
        return Err(format!("{} url holds a wildcard, which is not expected here", shown(text)));
    }
    url::Url::parse(text.trim()).map_err(|e| format!("{} url is malformed: {e}", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, scheme, host, port, path) in [
            ("https://App.Example.COM.", "https", "app.example.com", None, ""),
            ("https://h:8443/x/y", "https", "h", Some(8443), "/x/y"),
            ("http://[2001:DB8::1]:80", "http", "2001:db8::1", Some(80), ""),
            ("https://*.x", "https", "*.x", None, ""),
            ("https://a-*.X:1", "https", "a-*.x", Some(1), ""),
            ("tcp+https://bastion:443/h:22", "tcp+https", "bastion", Some(443), "/h:22"),
            ("https://bücher.example", "https", "xn--bcher-kva.example", None, ""),
            ("HTTP://127.1", "http", "127.0.0.1", None, ""),
            (" https://h/ ", "https", "h", None, "/"),
        ] {
            let expected = Parts { scheme: scheme.into(), host: host.into(), port, path: path.into() };
            assert_eq!(split(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_named() {
        for (url, error) in [
            ("", "url cannot be empty"),
            ("app.example.com", "app.example.com url does not contain a valid scheme"),
            ("app.example.com:443", "app.example.com:443 url does not contain a valid scheme"),
            ("https://", "https:// url does not contain a valid hostname. have you specified protocol (ex: https)"),
            (
                "https://a b",
                "https://a b url does not contain a valid hostname. have you specified protocol (ex: https)",
            ),
            ("https://h:0", "https://h:0 url does not contain a valid port"),
            ("https://h:99999", "https://h:99999 url does not contain a valid port"),
            ("https://h:x", "https://h:x url does not contain a valid port"),
            ("https://u:pw@h", "https://…@h url holds a user name or password, which is not expected here"),
            (
                "https://h?x",
                "https://h?x url holds a query, a fragment, a backslash or white space, which is not expected here",
            ),
        ] {
            assert_eq!(split(url), Err(error.to_owned()), "{url}");
        }
        assert!(split("https://h\\@evil").is_err());
        assert!(split("https://%61").is_err());
        assert!(split("https://[::1").is_err());
    }

    #[test]
    fn loopback_hosts_are_known() {
        for (host, expected) in [
            ("localhost", true),
            ("a.localhost", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
            ("notlocalhost", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }
}
