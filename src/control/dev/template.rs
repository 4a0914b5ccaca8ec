//! The configuration file of a development installation: ordinary, commented, a start for one's own.

use std::net::SocketAddr;

use super::certificates::{LEAF_FILE, LEAF_KEY_FILE};
use super::keys::{CLIENT_SECRET_FILE, COOKIE_SECRET_FILE, SHARED_SECRET_FILE, SIGNING_KEY_FILE};
use super::site::Site;
use super::state::StateDir;

/// The file's name in the state directory.
pub const FILE: &str = "vallum.dev.yaml";

/// What differs from one installation to the next.
pub struct Values<'a> {
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    pub site: Site,
    /// The identity provider's URL.
    pub issuer: &'a str,
    /// The `verify` upstream's URL.
    pub upstream: &'a str,
    pub client_id: &'a str,
    pub state: &'a StateDir,
}

/// The text of the file.
pub fn render(values: &Values<'_>) -> String {
    format!("{}{}", installation(values), routes(values))
}

fn installation(values: &Values<'_>) -> String {
    let path = |name: &str| quote(&values.state.file(name).to_string_lossy());
    format!(
        r#"# Written by `vallum dev` at every start; changes made here are lost. As a start for your own configuration,
# copy it and run the copy:   vallum run --config my.yaml
# (The identity provider and the upstream below live inside `vallum dev`: put your own in their place.)

# Where browsers come in. TLS ends here.
address: {address}
certificate_file: {certificate}
certificate_key_file: {certificate_key}

# 32 random bytes each, in base64 (head -c32 /dev/urandom | base64). Every node of one installation has the same.
shared_secret_file: {shared_secret}
cookie_secret_file: {cookie_secret}

# The key that signs X-Pomerium-Jwt-Assertion. Without it, one is derived from the shared secret.
signing_key_file: {signing_key}

# The host on which people sign in. The identity provider must allow the redirect URI that is this plus
# /oauth2/callback. Without it, every route signs people in on its own host.
authenticate_service_url: {authenticate}

# The OpenID provider. Plain http is accepted on loopback only.
idp_provider: oidc
idp_provider_url: {issuer}
idp_client_id: {client_id}
idp_client_secret_file: {client_secret}
idp_scopes: [openid, profile, email]

# Claims that upstreams receive as X-Pomerium-Claim-Email and so on, beside the signed assertion.
jwt_claims_headers: [email, groups, name]

# Prometheus: http://{metrics}/metrics
metrics_address: {metrics}
"#,
        address = quote(&values.address.to_string()),
        certificate = path(LEAF_FILE),
        certificate_key = path(LEAF_KEY_FILE),
        shared_secret = path(SHARED_SECRET_FILE),
        cookie_secret = path(COOKIE_SECRET_FILE),
        signing_key = path(SIGNING_KEY_FILE),
        authenticate = values.site.authenticate(),
        issuer = values.issuer,
        client_id = values.client_id,
        client_secret = path(CLIENT_SECRET_FILE),
        metrics = values.metrics,
    )
}

fn routes(values: &Values<'_>) -> String {
    format!(
        r#"
# The first route whose `from` (and prefix, path or regex) matches takes the request.
routes:
  # Everybody who signed in.
  - from: {verify}
    to: {upstream}
    allow_any_authenticated_user: true
    pass_identity_headers: true
    show_error_details: true

  # Everybody. The upstream still receives an assertion; its subject is empty for those who did not sign in.
  - from: {public}
    to: {upstream}
    allow_public_unauthenticated_access: true
    pass_identity_headers: true
    show_error_details: true

  # Members of the group "admins". With show_error_details, a refusal says which condition failed.
  - from: {admin}
    to: {upstream}
    policy:
      - allow:
          and:
            - claim/groups: admins
    pass_identity_headers: true
    show_error_details: true
"#,
        verify = values.site.verify(),
        public = values.site.public(),
        admin = values.site.admin(),
        upstream = values.upstream,
    )
}

/// A double-quoted YAML scalar; JSON's form of a string is one.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_yaml_that_says_what_was_given_whatever_the_directory_is_called() {
        let root = tempfile::tempdir().unwrap();
        let odd = root.path().join("a \"b\" # c: 'd'\\é\n");
        let state = StateDir::open(&odd).unwrap();
        let text = render(&Values {
            address: "[::1]:9443".parse().unwrap(),
            metrics: "127.0.0.1:9446".parse().unwrap(),
            site: Site::new(9443),
            issuer: "http://127.0.0.1:9444",
            upstream: "http://127.0.0.1:9445",
            client_id: "vallum-dev-1",
            state: &state,
        });
        let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(yaml["address"], "[::1]:9443");
        assert_eq!(yaml["metrics_address"], "127.0.0.1:9446");
        assert_eq!(yaml["certificate_file"], state.file(LEAF_FILE).to_str().unwrap());
        assert_eq!(yaml["authenticate_service_url"], "https://authenticate.localhost:9443");
        let routes = yaml["routes"].as_sequence().unwrap();
        let from: Vec<_> = routes.iter().map(|route| route["from"].as_str().unwrap()).collect();
        let hosts = ["verify", "public", "admin"].map(|host| format!("https://{host}.localhost:9443"));
        assert_eq!(from, hosts);
        assert!(routes.iter().all(|r| r["to"] == "http://127.0.0.1:9445" && r["pass_identity_headers"] == true));
        assert_eq!(routes[2]["policy"][0]["allow"]["and"][0]["claim/groups"], "admins");
    }
}
