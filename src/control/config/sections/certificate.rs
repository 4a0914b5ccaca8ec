//! The certificates that we answer with, as typed.

use super::super::section::{Opt, Section, Typed, mismatch};
use super::super::text::tree::Value;

#[derive(Debug, Default)]
pub(in super::super) struct Certificates {
    /// `certificates`.
    pub(in super::super) list: Vec<Pair>,
    /// `certificate`, `certificate_key`: base64 of PEM.
    pub(in super::super) inline: (Opt<String>, Opt<String>),
    /// `certificate_file`, `certificate_key_file`.
    pub(in super::super) file: (Opt<String>, Opt<String>),
    /// Whether anything of the above was typed, readable or not.
    pub(in super::super) any: bool,
}

/// One entry of `certificates`.
#[derive(Debug)]
pub(in super::super) struct Pair {
    pub(in super::super) entry: Typed<()>,
    pub(in super::super) cert: Opt<String>,
    pub(in super::super) key: Opt<String>,
}

pub(super) fn read(section: &Section<'_>) -> Certificates {
    let any = ["certificates", "certificate", "certificate_file"].iter().any(|key| section.has(key));
    Certificates {
        list: list(section),
        inline: (section.text("certificate"), section.text("certificate_key")),
        file: (section.text("certificate_file"), section.text("certificate_key_file")),
        any,
    }
}

fn list(section: &Section<'_>) -> Vec<Pair> {
    let Some(typed) = section.tree("certificates") else { return Vec::new() };
    let parsed;
    let tree = match &typed.value.value {
        Value::Text(text) => match super::super::text::parse_at(text, &typed.spot, &section.desk().problems) {
            Ok(tree) => {
                parsed = tree;
                &parsed
            }
            Err(_) => typed.value,
        },
        _ => typed.value,
    };
    let Value::List(list) = &tree.value else {
        section.desk().problems.add(mismatch(&typed, "a list of {cert, key}"));
        return Vec::new();
    };
    let pair = |(index, tree): (usize, &super::Tree)| {
        let path = format!("{}[{index}]", typed.path);
        let Value::Map(entries) = &tree.value else {
            let finding =
                mismatch(&Typed { value: tree, path, spot: tree.spot.clone() }, "a map with `cert` and `key`");
            section.desk().problems.add(finding);
            return None;
        };
        let inner = Section::new(entries, path.clone(), &tree.spot, section.desk());
        let entry = Typed { value: (), path, spot: tree.spot.clone() };
        Some(Pair { entry, cert: inner.text("cert"), key: inner.text("key") })
    };
    list.iter().enumerate().filter_map(pair).collect()
}
