//! Who asks: people with names, and people of one case.

use super::super::nearest::nearest;
use super::super::problem::Finding;
use super::super::section::{Section, Typed, mismatch};
use super::super::text::tree::{Tree, Value};
use super::known;
use crate::control::why::Who;
use crate::plan::session::{Device, Enrollment};

const KEYS: [&str; 6] = ["user", "email", "groups", "claims", "service_account", "device"];
const DEVICE_KEYS: [&str; 3] = ["id", "type", "approved"];
/// Words for somebody who is not signed in.
const NOBODY: [&str; 3] = ["nobody", "none", "anonymous"];

/// The people that the file names.
pub(super) struct People(Vec<(String, Who)>);

/// `people`: a map of name to person.
pub(super) fn read(section: &Section<'_>) -> People {
    let Some(typed) = section.tree("people") else { return People(Vec::new()) };
    let Value::Map(entries) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, "a map of names to people"));
        return People(Vec::new());
    };
    let mut people = Vec::new();
    for entry in entries {
        if NOBODY.contains(&&*entry.key) {
            let message = format!("`{}` stands for whoever is not signed in and cannot be a person", entry.key);
            section.desk().problems.add(Finding::error(&entry.spot, &entry.key, message).help("choose another name"));
        }
        let path = format!("{}.{}", typed.path, entry.key);
        let value = Typed { value: &entry.value, path, spot: entry.spot.clone() };
        people.extend(person(section, &value).map(|who| (entry.key.clone(), who)));
    }
    People(people)
}

impl People {
    /// `who` of a case, each with a label. Left out: nobody is signed in.
    pub(super) fn of_case(&self, section: &Section<'_>) -> Vec<(String, Who)> {
        let Some(typed) = section.tree("who") else { return vec![(NOBODY[0].to_owned(), Who::default())] };
        match &typed.value.value {
            Value::List(list) => {
                let one = |(index, tree): (usize, &Tree)| {
                    let path = format!("{}[{index}]", typed.path);
                    self.one(section, &Typed { value: tree, path, spot: tree.spot.clone() })
                };
                list.iter().enumerate().filter_map(one).collect()
            }
            _ => self.one(section, &typed).into_iter().collect(),
        }
    }

    fn one(&self, section: &Section<'_>, typed: &Typed<&Tree>) -> Option<(String, Who)> {
        match &typed.value.value {
            Value::Text(name) if NOBODY.contains(&&**name) => Some((NOBODY[0].to_owned(), Who::default())),
            Value::Text(name) => {
                let found = self.0.iter().find(|(known, _)| known == name);
                if found.is_none() {
                    section.desk().problems.add(self.stranger(name, typed));
                }
                found.cloned()
            }
            _ => {
                let who = person(section, typed)?;
                Some((who.email.clone().or(who.user.clone()).unwrap_or_else(|| "somebody".to_owned()), who))
            }
        }
    }

    fn stranger(&self, name: &str, typed: &Typed<&Tree>) -> Finding {
        let finding = typed.error(format!("{name:?} is nobody under `people`"));
        let names = self.0.iter().map(|(name, _)| name.as_str()).chain(NOBODY);
        finding.help(match nearest(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if name.contains('@') => format!("write `who: {{ email: {name} }}`"),
            None => format!("add `{name}: {{ email: … }}` to `people`, or write `who: {{ email: … }}`"),
        })
    }
}

fn person(section: &Section<'_>, typed: &Typed<&Tree>) -> Option<Who> {
    let Value::Map(entries) = &typed.value.value else {
        let help = "write `{ email: a@example.com, groups: [staff] }`";
        section.desk().problems.add(mismatch(typed, "a person (a map)").help(help));
        return None;
    };
    let inner = Section::new(entries, &typed.path, &typed.spot, section.desk());
    known(&inner, &KEYS);
    let text = |key: &str| inner.text(key).map(|typed| typed.value);
    Some(Who {
        user: text("user"),
        email: text("email"),
        groups: inner.list("groups").map(|t| t.value.into_iter().map(|t| t.value).collect()).unwrap_or_default(),
        claims: claims(&inner),
        service_account: inner.flag("service_account").is_some_and(|typed| typed.value),
        device: device(&inner),
    })
}

/// `device`: a credential that is enrolled.
fn device(section: &Section<'_>) -> Option<Device> {
    let typed = section.tree("device")?;
    let Value::Map(entries) = &typed.value.value else {
        let help = "write `{ id: CREDENTIAL, type: any, approved: true }`";
        section.desk().problems.add(mismatch(&typed, "a device (a map)").help(help));
        return None;
    };
    let inner = Section::new(entries, &typed.path, &typed.spot, section.desk());
    known(&inner, &DEVICE_KEYS);
    let approved = inner.flag("approved").is_some_and(|typed| typed.value);
    Some(Device {
        kind: inner.text("type").map_or_else(|| "any".into(), |typed| typed.value.into()),
        id: inner.text("id").map(|typed| typed.value.into()).unwrap_or_default(),
        enrollment: Some(Enrollment { approved_by: if approved { "an administrator" } else { "" }.into() }),
    })
}

fn claims(section: &Section<'_>) -> Vec<(String, serde_json::Value)> {
    let Some(typed) = section.tree("claims") else { return Vec::new() };
    let Value::Map(entries) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, "a map of claims to values"));
        return Vec::new();
    };
    entries.iter().map(|entry| (entry.key.clone(), entry.value.json())).collect()
}
