//! Secrets and keys: from text or file to their types. No message here ever holds what was read.

use super::super::problem::{Finding, Spot};
use super::super::section::{Choice, Desk, Typed};
use crate::crypto::jws::Signer;
use crate::crypto::secret::{Secret, SecretError};

/// Secrets for a configuration that names none; made once for the life of the process, so that a reload keeps sessions.
#[derive(Debug, Clone)]
pub(in super::super) struct Fallback {
    shared: Secret,
    cookie: Secret,
}

impl Fallback {
    pub(in super::super) fn random() -> Self {
        Fallback { shared: Secret::random(), cookie: Secret::random() }
    }
}

/// What a value and its `_file` variant say together.
#[derive(Debug)]
pub(super) enum Chosen {
    Nothing,
    /// The file could not be read; that was reported.
    Unreadable,
    Text(Typed<String>),
}

/// The text of a choice; the file wins over the value. Text from files is trimmed.
pub(super) fn choose(choice: &Choice, desk: &Desk) -> Chosen {
    let Some(file) = choice.file.as_ref().filter(|f| !f.value.trim().is_empty()) else {
        return match choice.inline.as_ref().filter(|t| !t.value.trim().is_empty()) {
            Some(typed) => Chosen::Text(typed.clone()),
            None => Chosen::Nothing,
        };
    };
    if let Some(inline) = &choice.inline {
        let message = format!("both `{}` and `{}` are set; the file wins", inline.path, file.path);
        desk.problems.add(inline.warning(message));
    }
    match desk.files.text(file.value.trim()) {
        Ok(text) => Chosen::Text(file.with(text)),
        Err(error) => {
            desk.problems.add(file.error(format!("`{}`: {error}", file.path)));
            Chosen::Unreadable
        }
    }
}

/// `shared_secret` and `cookie_secret`, or the fallback's.
pub(super) fn secrets(shared: &Choice, cookie: &Choice, fallback: &Fallback, desk: &Desk) -> (Secret, Secret) {
    let shared = match choose(shared, desk) {
        Chosen::Text(typed) => shared_secret(&typed, desk).unwrap_or_else(|| fallback.shared.clone()),
        chosen => missing(&chosen, "shared_secret", &fallback.shared, desk),
    };
    let cookie = match choose(cookie, desk) {
        Chosen::Text(typed) => cookie_secret(&typed, desk).unwrap_or_else(|| fallback.cookie.clone()),
        chosen => missing(&chosen, "cookie_secret", &fallback.cookie, desk),
    };
    (shared, cookie)
}

fn missing(chosen: &Chosen, key: &str, fallback: &Secret, desk: &Desk) -> Secret {
    if matches!(chosen, Chosen::Nothing) {
        let message = format!("`{key}` is not set: a random one is used, and every session ends at restart");
        let help = format!("make one with `head -c32 /dev/urandom | base64` and name its file in `{key}_file`");
        desk.problems.add(Finding::warning(&Spot::default(), key, message).help(help));
    }
    fallback.clone()
}

fn shared_secret(typed: &Typed<String>, desk: &Desk) -> Option<Secret> {
    let text = typed.value.trim();
    let secret = if text.is_empty() {
        Err("empty shared secret".to_owned())
    } else if text.contains(char::is_whitespace) {
        Err("shared secret contains whitespace".to_owned())
    } else {
        Secret::parse(text).map_err(|e| e.to_string())
    };
    secret.map_err(|e| desk.problems.add(typed.error(format!("config: invalid shared secret: {e}")))).ok()
}

/// White space within a cookie secret is tolerated, as Pomerium's decoder does.
fn cookie_secret(typed: &Typed<String>, desk: &Desk) -> Option<Secret> {
    let text: String = typed.value.split_whitespace().collect();
    let secret = Secret::parse(&text).map_err(|e| match e {
        SecretError::Empty => "empty cookie secret".to_owned(),
        e => e.to_string(),
    });
    secret.map_err(|e| desk.problems.add(typed.error(format!("config: invalid cookie secret: {e}")))).ok()
}

/// The key that signs assertions: `signing_key`, else derived from the shared secret.
pub(super) fn signer(choice: &Choice, shared: &Secret, desk: &Desk) -> Option<Signer> {
    let (signer, typed) = match choose(choice, desk) {
        Chosen::Unreadable => return None,
        Chosen::Nothing => (Signer::derived(shared), None),
        Chosen::Text(typed) => (Signer::parse(&typed.value), Some(typed)),
    };
    let report = |error| {
        let message = format!("couldn't derive JWT signing key: {error}");
        desk.problems.add(match &typed {
            Some(typed) => typed.error(message),
            None => Finding::error(&Spot::default(), "signing_key", message),
        });
    };
    signer.map_err(report).ok()
}
