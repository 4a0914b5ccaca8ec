//! Values of `set_request_headers`: text with references to what is known of the request and of the person.
//!
//! `$$` is a dollar; `$pomerium.name`, `${pomerium.name}` and `${pomerium.request.headers["X-Name"]}` are references. A
//! dollar that begins none of these stays as it is.

/// A value, compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// One piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(Box<str>),
    /// `request.headers["name"]`: the request's field of this name (lower case), empty when it has none.
    Field(Box<str>),
    /// `client_cert_fingerprint`: SHA-256 of the client's certificate, hexadecimal.
    CertificateFingerprint,
    /// `client_cert_san_dns`: the DNS names of the client's certificate.
    CertificateDnsNames,
    /// `client_cert_san_email`: its mail addresses.
    CertificateEmails,
    /// `jwt`: the assertion that vouches for the person.
    Assertion,
}

/// A value as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub template: Template,
    /// References whose values this version does not have: `pomerium.access_token`, `pomerium.id_token`.
    pub unsupported: Vec<String>,
    /// References that are always empty because nothing is known by their name.
    pub unknown: Vec<String>,
}

impl Template {
    pub fn parse(text: &str) -> Parsed {
        let mut parsed = Parsed { template: Template::default(), unsupported: Vec::new(), unknown: Vec::new() };
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((reference, after)) = reference(rest) {
                parsed.template.push_text(&mut literal);
                parsed.take(reference);
                rest = after;
            } else {
                literal.push('$');
            }
        }
        literal.push_str(rest);
        parsed.template.push_text(&mut literal);
        parsed
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The whole value, when it refers to nothing.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the assertion is part of the value.
    pub fn vouches(&self) -> bool {
        self.0.contains(&Part::Assertion)
    }

    fn push_text(&mut self, literal: &mut String) {
        if !literal.is_empty() {
            self.0.push(Part::Text(std::mem::take(literal).into()));
        }
    }
}

impl Parsed {
    fn take(&mut self, path: Vec<&str>) {
        let template = &mut self.template.0;
        match path[..] {
            ["jwt"] => template.push(Part::Assertion),
            ["request", "headers", name] => template.push(Part::Field(name.to_ascii_lowercase().into())),
            ["client_cert_fingerprint"] => template.push(Part::CertificateFingerprint),
            ["client_cert_san_dns"] => template.push(Part::CertificateDnsNames),
            ["client_cert_san_email"] => template.push(Part::CertificateEmails),
            ["access_token" | "id_token"] => self.unsupported.push(format!("$pomerium.{}", path.join("."))),
            _ => self.unknown.push(format!("$pomerium.{}", path.join("."))),
        }
    }
}

/// The reference at the start of `text` (behind its dollar), without `pomerium`, and what follows it.
fn reference(text: &str) -> Option<(Vec<&str>, &str)> {
    let (braced, text) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let mut rest = text.strip_prefix("pomerium")?;
    let mut path = Vec::new();
    while let Some((step, after)) = member(rest).or_else(|| index(rest)) {
        path.push(step);
        rest = after;
    }
    if path.is_empty() {
        return None;
    }
    Some((path, if braced { rest.strip_prefix('}')? } else { rest }))
}

/// `.name`
fn member(text: &str) -> Option<(&str, &str)> {
    let name = text.strip_prefix('.')?;
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
    (end > 0).then(|| name.split_at(end))
}

/// `["name"]`, with either kind of quotes.
fn index(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, rest) = inner[1..].split_once(quote)?;
    Some((name, rest.strip_prefix(']')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn field(name: &str) -> Part {
        Part::Field(name.into())
    }

    #[test]
    fn references_are_found_and_other_dollars_stay() {
        for (value, expected) in [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("$5 and $$5", vec![text("$5 and $5")]),
            ("cost $", vec![text("cost $")]),
            ("$$pomerium.jwt", vec![text("$pomerium.jwt")]),
            ("$$$pomerium.jwt", vec![text("$"), Part::Assertion]),
            ("Bearer $pomerium.jwt", vec![text("Bearer "), Part::Assertion]),
            ("$pomerium.jwt.", vec![Part::Assertion, text(".")]),
            ("${pomerium.jwt}x", vec![Part::Assertion, text("x")]),
            ("$pomerium", vec![text("$pomerium")]),
            ("${pomerium.jwt", vec![text("${pomerium.jwt")]),
            ("${other.jwt} $HOME ${HOME}", vec![text("${other.jwt} $HOME ${HOME}")]),
            ("$pomeriumx.jwt", vec![text("$pomeriumx.jwt")]),
            ("a ${pomerium.request.headers[\"X-One\"]} b", vec![text("a "), field("x-one"), text(" b")]),
            ("${pomerium.request.headers['X-One']}", vec![field("x-one")]),
            ("$pomerium.request.headers[\"X\"]y", vec![field("x"), text("y")]),
            ("$pomerium[\"jwt\"]", vec![Part::Assertion]),
            ("<${pomerium.client_cert_fingerprint}>", vec![text("<"), Part::CertificateFingerprint, text(">")]),
            (
                "$pomerium.client_cert_san_dns,$pomerium.client_cert_san_email",
                vec![Part::CertificateDnsNames, text(","), Part::CertificateEmails],
            ),
        ] {
            let parsed = Template::parse(value);
            assert_eq!(parsed.template.parts(), expected, "{value}");
            assert!(parsed.unsupported.is_empty() && parsed.unknown.is_empty(), "{value}");
        }
    }

    #[test]
    fn what_has_no_value_is_named() {
        let parsed = Template::parse("$pomerium.access_token ${pomerium.id_token} ${pomerium.nonsense} $pomerium.a.b");
        assert_eq!(parsed.unsupported, ["$pomerium.access_token", "$pomerium.id_token"]);
        assert_eq!(parsed.unknown, ["$pomerium.nonsense", "$pomerium.a.b"]);
        assert!(parsed.template.as_text().is_none());
        assert_eq!(Template::parse("${pomerium.nonsense}").template.as_text(), Some(""));
    }

    #[test]
    fn a_plain_value_is_text_at_once() {
        assert_eq!(Template::parse("a $$ b").template.as_text(), Some("a $ b"));
        assert!(!Template::parse("a").template.vouches() && Template::parse("$pomerium.jwt").template.vouches());
    }
}
