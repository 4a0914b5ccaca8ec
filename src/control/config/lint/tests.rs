//! Wrong policies as people write them, each with what an operator reads: `golden/NAME.yaml` and `golden/NAME.txt`.
//!
//! `VALLUM_GOLDEN=write` in the environment writes the second anew from the first.

use std::path::Path;

use super::super::{Environment, load, render};
use super::*;

/// Everything around the routes, so that the files hold nothing but what is wrong.
fn around() -> Environment {
    let secret = "dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=";
    [
        ("INSECURE_SERVER", "true"),
        ("SHARED_SECRET", secret),
        ("COOKIE_SECRET", secret),
        ("IDP_PROVIDER", "oidc"),
        ("IDP_PROVIDER_URL", "https://idp.example.com"),
        ("IDP_CLIENT_ID", "vallum"),
        ("IDP_CLIENT_SECRET", "secret"),
        ("AUTHENTICATE_SERVICE_URL", "https://authenticate.example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What `validate` prints about a file, without the folder's name.
fn report(file: &Path) -> (String, Vec<Option<Lint>>) {
    let problems = match load(Some(file), &around(), 1) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.list,
    };
    let mut text = String::new();
    render::text(&problems, false, &mut text).unwrap();
    let folder = format!("{}/", file.parent().unwrap().display());
    (text.replace(&folder, ""), problems.iter().map(|problem| problem.lint).collect())
}

#[test]
fn wrong_policies_read_as_an_operator_would_wish() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/config/lint/golden");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 30, "{}", files.len());
    let mut seen = Vec::new();
    let mut different = Vec::new();
    for file in &files {
        let (text, lints) = report(file);
        assert!(!lints.is_empty(), "{} has nothing wrong", file.display());
        seen.extend(lints.into_iter().flatten());
        let golden = file.with_extension("txt");
        if std::env::var_os("VALLUM_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&golden, &text).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
            different.push(format!("{}:\n{text}", golden.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    let unseen: Vec<_> = Lint::ALL.iter().filter(|lint| !seen.contains(lint)).collect();
    assert!(unseen.is_empty(), "no file shows {unseen:?}");
}

#[test]
fn codes_are_distinct_and_sorted() {
    assert!(Lint::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    assert!(Lint::ALL.iter().all(|lint| !lint.meaning().is_empty()));
}

#[test]
fn sound_policies_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    for policy in [
        "[{allow: {or: [{accept: true}]}}]",
        "[{allow: {and: [{domain: example.com}, {claim/groups: admins}]}}]",
        "[{allow: {or: [{email: a@example.com}, {email: {in: [b@example.com, c@example.com]}}]}}]",
        "[{allow: {and: [{source_ip: 10.0.0.0/8}, {email: {ends_with: '@example.com'}}, {domain: example.com}]}}]",
        "[{allow: {or: [{authenticated_user: true}]}, deny: {or: [{email: x@example.com}]}}]",
        "[{allow: {and: [{email: {not: x@example.com}}, {authenticated_user: true}]}}]",
        "[{allow: {or: [{cors_preflight: true}, {user: u1}]}}, {allow: {not: [{http_method: {in: [POST, PUT]}}]}}]",
        "[{allow: {and: [{http_path: {starts_with: /a}}, {http_path: {starts_with: /a/b}}]}}]",
        "[{allow: {and: [{claim/level: 5}, {claim/roles: {has: a}}, {claim/roles: {has: b}}]}}]",
    ] {
        let text =
            format!("routes:\n  - from: https://a.example.com\n    to: http://127.0.0.1:1\n    policy: {policy}\n");
        std::fs::write(&file, text).unwrap();
        let (text, lints) = report(&file);
        assert!(lints.is_empty(), "{policy}\n{text}");
    }
}
