//! The names under which the development site is reached, and which URLs belong to it.

use url::Url;

/// The path to which an OpenID provider sends a browser back.
pub const CALLBACK_PATH: &str = "/oauth2/callback";

/// The hosts of the site, without `.localhost`; the certificate names each of them.
pub const HOSTS: [&str; 4] = ["authenticate", "verify", "public", "admin"];

/// The site `https://*.localhost:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    port: u16,
}

impl Site {
    /// The site behind the TLS listener on `port`.
    pub fn new(port: u16) -> Self {
        Site { port }
    }

    /// Signs people in.
    pub fn authenticate(self) -> String {
        self.origin("authenticate")
    }

    /// For everybody who signed in.
    pub fn verify(self) -> String {
        self.origin("verify")
    }

    /// For everybody.
    pub fn public(self) -> String {
        self.origin("public")
    }

    /// For the group `admins`.
    pub fn admin(self) -> String {
        self.origin("admin")
    }

    /// The sources of a content security policy that cover the whole site.
    pub fn any(self) -> String {
        self.origin("*")
    }

    /// `https://NAME.localhost:PORT`, without the port when it is 443 and without a trailing slash.
    fn origin(self, name: &str) -> String {
        match self.port {
            443 => format!("https://{name}.localhost"),
            port => format!("https://{name}.localhost:{port}"),
        }
    }

    /// Whether a sign-in may end at `url`: exactly `https://NAME.localhost:PORT/oauth2/callback`, in normal form.
    pub fn owns_callback(self, url: &str) -> bool {
        self.parse(url).is_some_and(|u| u.as_str() == url && u.path() == CALLBACK_PATH && u.query().is_none())
    }

    /// Whether a sign-out may end at `url`: any page of the site.
    pub fn owns(self, url: &str) -> bool {
        self.parse(url).is_some()
    }

    fn parse(self, url: &str) -> Option<Url> {
        let url = Url::parse(url).ok()?;
        let name = url.domain()?.strip_suffix(".localhost")?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let ours = url.scheme() == "https" && !name.is_empty() && url.port_or_known_default() == Some(self.port);
        (plain && ours).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_name_the_port_unless_it_is_the_default() {
        assert_eq!(Site::new(8443).verify(), "https://verify.localhost:8443");
        assert_eq!(Site::new(443).admin(), "https://admin.localhost");
    }

    #[test]
    fn only_our_callback_is_a_callback() {
        let site = Site::new(8443);
        assert!(site.owns_callback("https://authenticate.localhost:8443/oauth2/callback"));
        assert!(site.owns_callback("https://a.b.localhost:8443/oauth2/callback"));
        for url in [
            "",
            "/oauth2/callback",
            "http://authenticate.localhost:8443/oauth2/callback",
            "https://authenticate.localhost/oauth2/callback",
            "https://authenticate.localhost:8444/oauth2/callback",
            "https://authenticate.localhost:8443/oauth2/callback/",
            "https://authenticate.localhost:8443/oauth2/callback?x=1",
            "https://authenticate.localhost:8443/oauth2/callback#x",
            "https://authenticate.localhost:8443/x/../oauth2/callback",
            "https://AUTHENTICATE.localhost:8443/oauth2/callback",
            "https://authenticate.localhost:8443@evil.example/oauth2/callback",
            "https://evil.example:8443/oauth2/callback",
            "https://evillocalhost:8443/oauth2/callback",
            "https://authenticate.localhost.evil.example:8443/oauth2/callback",
            "https://u:p@authenticate.localhost:8443/oauth2/callback",
            "https://authenticate.localhost:8443/oauth2/callback\n",
            "javascript:alert(1)",
        ] {
            assert!(!site.owns_callback(url), "{url:?}");
        }
    }

    #[test]
    fn a_sign_out_ends_on_any_page_of_the_site_and_nowhere_else() {
        let site = Site::new(8443);
        assert!(site.owns("https://verify.localhost:8443/.pomerium/signed_out?x=1"));
        assert!(!site.owns("https://verify.localhost:8444/"));
        assert!(!site.owns("https://evil.example/"));
        assert!(!site.owns("//verify.localhost:8443/"));
    }
}
