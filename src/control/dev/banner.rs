//! What `vallum dev` prints: where to go, as whom, and how to trust the CA.

use std::fmt::Write;

use super::people::PEOPLE;
use super::{Prepared, template};

impl Prepared {
    /// The text for the terminal, several lines, no control sequences.
    pub fn banner(&self) -> String {
        let mut text =
            String::from("\n  Vallum, development mode: loopback only, no passwords. Not for real users.\n\n  Open\n");
        let pages = [
            (self.site.verify(), "whoever signed in"),
            (self.site.public(), "everybody"),
            (self.site.admin(), "the group admins"),
        ];
        for (url, audience) in pages {
            _ = writeln!(text, "    {url:<34} {audience}");
        }
        text.push_str("\n  Sign in as\n");
        for person in &PEOPLE {
            _ = writeln!(text, "    {:<8} {:<20} {}", person.id, person.email, person.part);
        }
        let ca = quote(&self.ca_file.to_string_lossy());
        _ = write!(
            text,
            r#"
  The certificate comes from a CA of this directory; it can vouch for names below localhost only.
    try it      curl --cacert {ca} {public}
    Chromium    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {name} -i {ca}
                (Linux; package libnss3-tools; remove: certutil -d sql:$HOME/.pki/nssdb -D -n {name})
    Firefox     Settings, Certificates, View Certificates, Authorities, Import: {ca}
    macOS       security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {ca}

  State         {state}
  Configuration {config}
  Sign-in       {issuer} (development identity provider)
  Metrics       http://{metrics}/metrics

  Ctrl-C stops it.
"#,
            public = self.site.public(),
            name = quote(&self.ca_name),
            state = quote(&self.state_dir.to_string_lossy()),
            config = quote(&self.state_dir.join(template::FILE).to_string_lossy()),
            issuer = self.provider.issuer(),
            metrics = self.metrics_address,
        );
        text
    }
}

/// The text as one word of a POSIX shell.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quote("/home/a/state"), "/home/a/state");
        assert_eq!(quote("/home/a b/it's $x"), r"'/home/a b/it'\''s $x'");
        assert_eq!(quote(""), "''");
    }
}
