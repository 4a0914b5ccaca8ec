//! What a provider says about itself (OpenID Connect Discovery 1.0 section 3), reduced to what we use.

use openidconnect::{AuthType, AuthUrl, IssuerUrl, JsonWebKeySetUrl, TokenUrl, UserInfoUrl};
use serde::Deserialize;
use url::Url;

use super::ProviderError;
use super::fetch::{Fetcher, is_permitted};

const CONFIGURATION_PATH: &str = ".well-known/openid-configuration";

/// A provider's metadata, checked: the issuer is the configured one and every endpoint is https or loopback.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// As the provider spells it; id tokens must spell it the same.
    pub issuer: IssuerUrl,
    pub authorization: AuthUrl,
    pub token: TokenUrl,
    pub keys: JsonWebKeySetUrl,
    pub userinfo: Option<UserInfoUrl>,
    pub end_session: Option<Url>,
    /// Whether PKCE with S256 is used: unless the provider lists its methods and S256 is not among them.
    pub pkce: bool,
    /// How we authenticate to the token endpoint.
    pub auth_type: AuthType,
    /// RFC 9207: an authorization response without `iss` is then refused.
    pub iss_in_response: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Fetches and checks the metadata of `issuer`.
    pub async fn fetch(fetcher: &Fetcher, issuer: &Url) -> Result<Self, ProviderError> {
        let url = configuration_url(issuer);
        let body = super::get_json(fetcher, &url, None).await?;
        let document: Document =
            serde_json::from_slice(&body).map_err(|e| ProviderError::Broken(format!("{url} cannot be read: {e}")))?;
        Self::check(document, issuer)
    }

    fn check(document: Document, configured: &Url) -> Result<Self, ProviderError> {
        if document.issuer.trim_end_matches('/') != configured.as_str().trim_end_matches('/') {
            return Err(ProviderError::Broken(format!(
                "its metadata names the issuer {:?}, expected {:?}",
                document.issuer,
                configured.as_str()
            )));
        }
        let basic = document
            .token_endpoint_auth_methods_supported
            .as_ref()
            .is_none_or(|methods| !lists(methods, "client_secret_post") || lists(methods, "client_secret_basic"));
        Ok(Metadata {
            issuer: IssuerUrl::new(document.issuer).map_err(|e| ProviderError::Broken(format!("issuer: {e}")))?,
            authorization: AuthUrl::from_url(endpoint("authorization_endpoint", &document.authorization_endpoint)?),
            token: TokenUrl::from_url(endpoint("token_endpoint", &document.token_endpoint)?),
            keys: JsonWebKeySetUrl::from_url(endpoint("jwks_uri", &document.jwks_uri)?),
            userinfo: optional("userinfo_endpoint", document.userinfo_endpoint)?.map(UserInfoUrl::from_url),
            end_session: optional("end_session_endpoint", document.end_session_endpoint)?,
            pkce: document.code_challenge_methods_supported.is_none_or(|methods| lists(&methods, "S256")),
            auth_type: if basic { AuthType::BasicAuth } else { AuthType::RequestBody },
            iss_in_response: document.authorization_response_iss_parameter_supported,
        })
    }
}

fn configuration_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{}/{CONFIGURATION_PATH}", issuer.path().trim_end_matches('/')));
    url
}

fn lists(values: &[String], wanted: &str) -> bool {
    values.iter().any(|value| value == wanted)
}

fn optional(name: &str, text: Option<String>) -> Result<Option<Url>, ProviderError> {
    text.filter(|text| !text.is_empty()).map(|text| endpoint(name, &text)).transpose()
}

fn endpoint(name: &str, text: &str) -> Result<Url, ProviderError> {
    Url::parse(text).ok().filter(is_permitted).ok_or_else(|| {
        ProviderError::Broken(format!("its {name} is {text:?}, expected an https URL (or http on loopback)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "issuer": "https://idp.example",
            "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/keys",
        })
    }

    fn check(document: Value) -> Result<Metadata, ProviderError> {
        Metadata::check(serde_json::from_value(document).unwrap(), &Url::parse("https://idp.example").unwrap())
    }

    #[test]
    fn the_least_metadata_is_enough() {
        let metadata = check(document()).unwrap();
        assert_eq!(metadata.issuer.as_str(), "https://idp.example");
        assert!(metadata.pkce && matches!(metadata.auth_type, AuthType::BasicAuth));
        let mut other = document();
        other["code_challenge_methods_supported"] = json!(["plain"]);
        other["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
        let metadata = check(other).unwrap();
        assert!(!metadata.pkce && matches!(metadata.auth_type, AuthType::RequestBody));
    }

    #[test]
    fn foreign_issuers_and_unsafe_endpoints_are_refused() {
        for (key, value) in [
            ("issuer", "https://evil.example"),
            ("issuer", "https://idp.example/tenant"),
            ("token_endpoint", "http://idp.example/token"),
            ("jwks_uri", "file:///etc/passwd"),
            ("authorization_endpoint", "javascript:alert(1)"),
            ("userinfo_endpoint", "http://10.0.0.1/"),
        ] {
            let mut document = document();
            document[key] = json!(value);
            assert!(matches!(check(document), Err(ProviderError::Broken(_))), "{key}: {value}");
        }
    }

    #[test]
    fn the_configuration_lies_below_the_issuers_path() {
        for (issuer, expected) in [
            ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
            ("https://idp.example/realms/a/", "https://idp.example/realms/a/.well-known/openid-configuration"),
        ] {
            assert_eq!(configuration_url(&Url::parse(issuer).unwrap()).as_str(), expected);
        }
    }
}
