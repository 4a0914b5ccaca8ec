//! One sign-in at the provider: where the browser is sent, and what its return is worth.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJsonWebKeySet, CoreTokenResponse,
};
use openidconnect::{
    AccessToken, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, TokenResponse,
};
use serde_json::{Map, Value};
use url::Url;

use super::fetch::FetchError;
use super::id_token::{self, Expected, ID_TOKEN_BYTES_MAX, IdTokenError};
use super::{Connection, Metadata, ProviderError};
use crate::control::databroker::OauthToken;
use crate::plan::session::Claims;

/// Largest userinfo answer whose claims are taken, in bytes.
const USERINFO_BYTES_MAX: usize = 64 * 1024;

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointNotSet>;

/// A sign-in that is about to begin.
pub struct Authorization<'a> {
    /// Where the provider sends the browser back to.
    pub redirect_uri: &'a Url,
    pub state: &'a str,
    pub nonce: &'a str,
    /// The PKCE verifier (RFC 7636), 43 to 128 characters.
    pub verifier: &'a str,
}

/// A person who has signed in.
pub struct Login {
    pub subject: String,
    pub email: String,
    pub name: String,
    /// Claims of the id token.
    pub claims: Claims,
    /// Claims of userinfo; empty when it failed.
    pub user_claims: Claims,
    pub id_token: String,
    pub oauth_token: OauthToken,
}

impl Connection {
    /// The provider's URL that the browser is sent to.
    pub async fn authorization_url(&self, authorization: &Authorization<'_>) -> Result<Url, ProviderError> {
        let metadata = self.metadata().await?;
        let client = self.client(&metadata, authorization.redirect_uri)?;
        let (state, nonce) = (authorization.state.to_owned(), authorization.nonce.to_owned());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        // The client asks for `openid` by itself.
        let scopes = self.provider.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let mut request = client.authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce)).add_scopes(scopes);
        if metadata.pkce {
            let verifier = PkceCodeVerifier::new(authorization.verifier.to_owned());
            request = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        for (name, value) in &self.provider.request_params {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        Ok(request.url().0)
    }

    /// Exchanges `code` for tokens and verifies them. `now` in Unix seconds.
    pub async fn redeem(
        &self,
        code: &str,
        authorization: &Authorization<'_>,
        now: i64,
    ) -> Result<Login, ProviderError> {
        let metadata = self.metadata().await?;
        let tokens = self.exchange(code, authorization, &metadata).await?;
        let id_token = tokens.id_token().ok_or_else(|| ProviderError::Token("there is no id token".into()))?;
        let claims = self.verify(id_token, authorization.nonce, tokens.access_token(), &metadata, now).await?;
        let subject = text(&claims, "sub");
        let user_claims = self.userinfo(&metadata, tokens.access_token(), &subject).await?;
        let either =
            |name| Some(text(&user_claims, name)).filter(|t| !t.is_empty()).unwrap_or_else(|| text(&claims, name));
        let lifetime = tokens.expires_in().and_then(|lifetime| i64::try_from(lifetime.as_secs()).ok());
        Ok(Login {
            email: either("email"),
            name: either("name"),
            id_token: id_token.to_string(),
            oauth_token: OauthToken {
                access_token: tokens.access_token().secret().clone(),
                refresh_token: tokens.refresh_token().map(|token| token.secret().clone()),
                expires_at: lifetime.map(|lifetime| now.saturating_add(lifetime)),
            },
            subject,
            claims: listed(claims),
            user_claims: listed(user_claims),
        })
    }

    /// Where the browser may end its session at the provider, if the provider has such a place.
    pub async fn end_session_url(&self, id_token: Option<&str>, return_to: &Url) -> Option<Url> {
        let mut url = self.metadata().await.ok()?.end_session.clone()?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(id_token) = id_token {
                query.append_pair("id_token_hint", id_token);
            }
            query.append_pair("client_id", &self.provider.client_id);
            query.append_pair("post_logout_redirect_uri", return_to.as_str());
        }
        Some(url)
    }

    fn client(&self, metadata: &Metadata, redirect_uri: &Url) -> Result<Client, ProviderError> {
        let client_id = ClientId::new(self.provider.client_id.clone());
        let mut client = CoreClient::new(client_id, metadata.issuer.clone(), CoreJsonWebKeySet::new(Vec::new()))
            .set_auth_uri(metadata.authorization.clone())
            .set_token_uri(metadata.token.clone())
            .set_auth_type(metadata.auth_type.clone())
            .set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        if !self.provider.client_secret.0.is_empty() {
            client = client.set_client_secret(ClientSecret::new(self.provider.client_secret.0.clone()));
        }
        Ok(client)
    }

    async fn exchange(
        &self,
        code: &str,
        authorization: &Authorization<'_>,
        metadata: &Metadata,
    ) -> Result<CoreTokenResponse, ProviderError> {
        let client = self.client(metadata, authorization.redirect_uri)?;
        let mut request = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        if metadata.pkce {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(authorization.verifier.to_owned()));
        }
        request.request_async(&*self.fetcher).await.map_err(exchange_error)
    }

    /// Verifies with the keys that are known, then once more with newer ones if the provider may have rotated them.
    async fn verify(
        &self,
        id_token: &CoreIdToken,
        nonce: &str,
        access_token: &AccessToken,
        metadata: &Metadata,
        now: i64,
    ) -> Result<Map<String, Value>, ProviderError> {
        if id_token.to_string().len() > ID_TOKEN_BYTES_MAX {
            return Err(ProviderError::Token(format!("the id token is longer than {ID_TOKEN_BYTES_MAX} bytes")));
        }
        let (client_id, nonce) = (ClientId::new(self.provider.client_id.clone()), Nonce::new(nonce.to_owned()));
        let expected = Expected { issuer: &metadata.issuer, client_id: &client_id, nonce: &nonce, access_token, now };
        let keys = self.keys(metadata).await?;
        let verdict = match id_token::verify(id_token, (*keys).clone(), &expected) {
            Err(IdTokenError::Key(_)) => {
                let newer = self.newer_keys(metadata, &keys).await?;
                id_token::verify(id_token, (*newer).clone(), &expected)
            }
            verdict => verdict,
        };
        verdict.map_err(|error| ProviderError::Token(error.to_string()))
    }

    /// Claims of the userinfo endpoint (OpenID Connect Core 1.0 section 5.3). A provider without one, or whose endpoint
    /// fails, gives none; one that speaks of somebody else fails the sign-in.
    async fn userinfo(
        &self,
        metadata: &Metadata,
        access_token: &AccessToken,
        subject: &str,
    ) -> Result<Map<String, Value>, ProviderError> {
        let Some(url) = &metadata.userinfo else { return Ok(Map::new()) };
        let claims = match super::get_json(&self.fetcher, url.url(), Some(access_token.secret())).await {
            Ok(body) if body.len() > USERINFO_BYTES_MAX => Err(format!("it is longer than {USERINFO_BYTES_MAX} bytes")),
            Ok(body) => serde_json::from_slice::<Map<String, Value>>(&body).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match claims {
            Ok(claims) if claims.get("sub").and_then(Value::as_str) == Some(subject) => Ok(claims),
            Ok(_) => Err(ProviderError::Token("userinfo speaks of another subject than the id token".into())),
            Err(error) => {
                tracing::warn!(%error, "userinfo failed; its claims are missing");
                Ok(Map::new())
            }
        }
    }
}

/// Only the code of a refusal (RFC 6749 section 5.2) is told: the provider's own words may repeat what was sent to it.
fn exchange_error(error: RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(response) => ProviderError::Code(response.error().to_string()),
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::Parse(error, _) => {
            ProviderError::Token(format!("its token answer cannot be read at {}", error.path()))
        }
        RequestTokenError::Other(error) => ProviderError::Code(error),
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Each claim as a list of values, as policies see it.
fn listed(claims: Map<String, Value>) -> Claims {
    claims
        .into_iter()
        .map(|(name, value)| match value {
            Value::Array(values) => (name, values),
            single => (name, vec![single]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_become_lists() {
        let claims = listed(json!({"groups": ["a", "b"], "email": "x", "none": null}).as_object().unwrap().clone());
        assert_eq!(claims["groups"], [json!("a"), json!("b")]);
        assert_eq!(claims["email"], [json!("x")]);
        assert_eq!(claims["none"], [Value::Null]);
    }
}
