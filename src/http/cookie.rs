//! The `Cookie` field (RFC 6265 section 4.2): finding ours, removing ours.
//!
//! A client may send several cookies of one name (another path, another domain, or a neighbour's mischief), so finding
//! means finding all. What belongs to our own session never goes on to an upstream.

use std::borrow::Cow;

use super::fields::trim;

/// Names and values of a `Cookie` value, in order. A pair without `=` is a name with an empty value.
pub fn pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    raw_pairs(value).map(split)
}

/// The values of every cookie called exactly `name`.
pub fn find_all<'a>(value: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    pairs(value).filter(move |(found, _)| *found == name).map(|(_, value)| value)
}

/// The value without our cookies (see [`is_ours`]); the others keep their bytes and order, joined by `; `. Empty if
/// none is left: then leave out the field. Borrowed if nothing had to go.
pub fn without<'a>(value: &'a [u8], name: &str) -> Cow<'a, [u8]> {
    if memchr::memmem::find(value, name.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    if !raw_pairs(value).any(|pair| is_ours(split(pair).0, name)) {
        return Cow::Borrowed(value);
    }
    let mut rest = Vec::with_capacity(value.len());
    for pair in raw_pairs(value).filter(|pair| !is_ours(split(pair).0, name)) {
        if !rest.is_empty() {
            rest.extend_from_slice(b"; ");
        }
        rest.extend_from_slice(pair);
    }
    Cow::Owned(rest)
}

/// Whether a cookie called `found` is ours, if our session cookie is called `name`: the session itself, its `_csrf`
/// helper, the `_pkce_…` helpers of sign-ins under way, and each of these behind `__Host-` or `__Secure-`.
pub fn is_ours(found: &[u8], name: &str) -> bool {
    let bare = found.strip_prefix(b"__Host-").or_else(|| found.strip_prefix(b"__Secure-")).unwrap_or(found);
    let behind = |whole: &[u8]| match whole.strip_prefix(name.as_bytes()) {
        Some(b"" | b"_csrf") => true,
        Some(helper) => helper.starts_with(b"_pkce_"),
        None => false,
    };
    // The configured name may itself hold such a prefix.
    !name.is_empty() && (behind(bare) || behind(found))
}

/// Whether a `Set-Cookie` value sets a cookie of ours (see [`is_ours`]).
pub fn sets_ours(value: &[u8], name: &str) -> bool {
    raw_pairs(value).next().is_some_and(|pair| is_ours(split(pair).0, name))
}

/// The pairs as they stand, without surrounding white space and without empty ones.
fn raw_pairs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b';').map(trim).filter(|pair| !pair.is_empty())
}

fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', pair) {
        Some(at) => {
            let (name, value) = pair.split_at(at);
            (trim(name), trim(value.get(1..).unwrap_or_default()))
        }
        None => (pair, b""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "_pomerium";

    #[test]
    fn pairs_of_a_value() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            (";; ;", &[]),
            ("a=b", &[("a", "b")]),
            ("a=b; c=d;e=f", &[("a", "b"), ("c", "d"), ("e", "f")]),
            (" a = b ;c", &[("a", "b"), ("c", "")]),
            ("a=b=c", &[("a", "b=c")]),
            ("=x", &[("", "x")]),
            ("a=\"q\"", &[("a", "\"q\"")]),
        ];
        for (value, expected) in cases {
            let found: Vec<_> = pairs(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn every_candidate_is_found() {
        let value = b"_pomerium=one; x=_pomerium=no; _pomerium_csrf=no; _Pomerium=no;_pomerium=two; _pomerium";
        let found: Vec<_> = find_all(value, NAME.as_bytes()).collect();
        assert_eq!(found, [&b"one"[..], b"two", b""]);
    }

    #[test]
    fn ours_are_removed_and_nothing_else() {
        let cases: &[(&str, &str)] = &[
            ("", ""),
            ("a=b", "a=b"),
            ("_pomerium=x", ""),
            ("_pomerium", ""),
            ("a=b; _pomerium=x", "a=b"),
            ("_pomerium=x; a=b", "a=b"),
            ("a=b; _pomerium=x; c=d", "a=b; c=d"),
            ("a=b;_pomerium=x;c=d", "a=b; c=d"),
            ("_pomerium=1;_pomerium=2; _pomerium=3", ""),
            ("_pomerium =x; a=b", "a=b"),
            ("\t_pomerium\t= x ; a=b", "a=b"),
            ("_pomerium_csrf=x; a=b", "a=b"),
            ("_pomerium_pkce_f00=x; a=b", "a=b"),
            ("__Host-_pomerium=x; __Secure-_pomerium_csrf=y; a=b", "a=b"),
            ("_pomerium_other=x; a=b", "_pomerium_other=x; a=b"),
            ("_pomerium2=x", "_pomerium2=x"),
            ("x_pomerium=x", "x_pomerium=x"),
            ("_POMERIUM=x", "_POMERIUM=x"),
            ("a=_pomerium=x", "a=_pomerium=x"),
            ("a=\"_pomerium\";; b=2", "a=\"_pomerium\";; b=2"),
        ];
        for (value, expected) in cases {
            let found = without(value.as_bytes(), NAME);
            assert_eq!(found.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string(), "{value}");
            let borrowed = matches!(found, Cow::Borrowed(_));
            assert_eq!(borrowed, value == expected, "{value}");
        }
        assert_eq!(without(b"__Host-s=x; a=b", "__Host-s").as_ref(), b"a=b");
        assert_eq!(without(b"=x; a=b", "").as_ref(), b"=x; a=b");
    }

    proptest! {
        #[test]
        fn nothing_of_ours_is_left(value in "(_pomerium|_pomerium_csrf|__Host-|a|=|;| |\t|x){0,12}") {
            let left = without(value.as_bytes(), NAME).into_owned();
            prop_assert!(pairs(&left).all(|(name, _)| !is_ours(name, NAME)));
            let others = |value: &[u8]| pairs(value).filter(|(name, _)| !is_ours(name, NAME)).map(|(n, v)| (n.to_vec(), v.to_vec())).collect::<Vec<_>>();
            prop_assert_eq!(others(value.as_bytes()), others(&left));
        }
    }
}
