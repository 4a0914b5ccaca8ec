//! Where an unauthenticated browser is sent. Pure, so that the edge can answer without asking control.

use url::Url;

use super::Plan;

/// Path of the page that begins a sign-in.
pub const SIGN_IN_PATH: &str = "/.pomerium/sign_in";
/// Path of the page about devices.
pub const DEVICE_PATH: &str = "/.pomerium/webauthn";
/// Longest URL that a sign-in returns to, in bytes; a longer one loses its query, then its path. It travels through the
/// identity provider inside the state, and providers cut URLs at 4 to 8 KiB.
pub const RETURN_URL_BYTES_MAX: usize = 2048;

/// The signed URL to which an unauthenticated browser that visited `visited` is redirected: on the authenticate host, or
/// on the visited host itself when none is configured. `now` in Unix seconds.
pub fn location(plan: &Plan, visited: &Url, now: i64) -> Url {
    let identity = &plan.identity;
    let target = return_url(visited);
    let mut location = identity.authenticate.clone().unwrap_or_else(|| target.clone());
    location.set_path(SIGN_IN_PATH);
    location.set_query(None);
    location.set_fragment(None);
    {
        let mut query = location.query_pairs_mut();
        if let Some(provider) = &identity.provider {
            query.append_pair("pomerium_idp_id", &provider.id);
        }
        query.append_pair("pomerium_redirect_uri", target.as_str());
    }
    identity.url_signer.sign(&location, now)
}

/// What the person wanted to see: https always, without user information and fragment, of bounded length.
fn return_url(visited: &Url) -> Url {
    let mut url = visited.clone();
    // These three cannot fail for http and https URLs; on others the target is refused when the sign-in is over.
    let _ = url.set_scheme("https");
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    if url.as_str().len() > RETURN_URL_BYTES_MAX {
        url.set_query(None);
    }
    if url.as_str().len() > RETURN_URL_BYTES_MAX {
        url.set_path("/");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_return_by_https_to_a_bounded_place() {
        let long = "x".repeat(RETURN_URL_BYTES_MAX);
        for (visited, expected) in [
            ("http://app.example/a?b=c#d", "https://app.example/a?b=c"),
            ("http://app.example:8443/", "https://app.example:8443/"),
            ("https://eve:pw@app.example/", "https://app.example/"),
            (&format!("https://app.example/a?{long}"), "https://app.example/a"),
            (&format!("https://app.example/{long}?{long}"), "https://app.example/"),
        ] {
            assert_eq!(return_url(&Url::parse(visited).unwrap()).as_str(), expected);
        }
    }
}
