//! `record`: fields of the records that are kept about a person and a session.
//!
//! The paid edition of Pomerium knows records from any external source. Here there are those that belong to a session; a
//! policy that asks for others is refused, so that it never means less than it says.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::matcher::{Condition, ListMatcher, TextMatcher, same};
use super::problem::{Problems, type_name};
use crate::plan::session::Session;

/// What Pomerium's types begin with; it may be left out.
const TYPE_PREFIX: &str = "type.googleapis.com/";

/// Conditions on a record; all must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordMatcher {
    kind: Kind,
    exists: Option<bool>,
    field: Option<Field>,
    /// `is`, `has`, `exclude`: on a list, or on the list of one that a single value is.
    list: ListMatcher,
    /// The other operators, on text.
    text: Option<TextMatcher>,
    numbers: Box<[(Comparison, f64)]>,
}

/// The record that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Session,
    ServiceAccount,
    User,
    DirectoryUser,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    UserId,
    IdpId,
    IssuedAt,
    ExpiresAt,
    Email,
    Name,
    GroupIds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// What a field holds.
enum Held<'a> {
    Text(&'a str),
    /// Times are Unix seconds.
    Number(i64),
    List(&'a [Box<str>]),
}

impl RecordMatcher {
    pub(super) fn read(data: &Value, problems: &mut Problems) -> Option<RecordMatcher> {
        let Value::Object(operators) = data else {
            let seen = type_name(data);
            return problems.bad_data(format_args!("expected object for record criterion, got: {seen}"));
        };
        let kind = read_kind(operators, problems)?;
        let field =
            operators.get("field").map(|name| problems.key("field", |problems| kind.read_field(name, problems)));
        let exists =
            operators.get("exists").map(|value| problems.key("exists", |problems| read_exists(value, problems)));
        let mut rest = operators.clone();
        rest.retain(|name, _| !matches!(name.as_str(), "type" | "field" | "exists"));
        match (&field, rest.is_empty(), &exists) {
            (None, false, _) => return problems.bad_data("record criterion requires a field for its operators"),
            (Some(_), true, _) | (None, true, None) => {
                return problems.bad_data("record criterion requires an operator, such as exists, is or >=");
            }
            _ => {}
        }
        let numbers = take_numbers(&mut rest, problems);
        let list = take(&mut rest, |name| matches!(name, "is" | "has" | "exclude"));
        let list = ListMatcher::read(&Value::Object(list), problems);
        let text = (!rest.is_empty()).then(|| TextMatcher::read(&Value::Object(rest), problems));
        Some(RecordMatcher { kind, exists: exists.flatten(), field: field.flatten(), list, text, numbers })
    }

    pub(super) fn holds(&self, session: &Session) -> bool {
        let exists = self.kind.exists(session);
        if self.exists.is_some_and(|wanted| wanted != exists) {
            return false;
        }
        let Some(field) = self.field else { return true };
        if !exists {
            return false;
        }
        let held = field.of(self.kind, session);
        let text_holds = self.text.as_ref().is_none_or(|matcher| match held {
            Held::Text(text) => matcher.holds(text),
            Held::Number(_) | Held::List(_) => false,
        });
        let in_bounds = |(comparison, bound): &(Comparison, f64)| match held {
            Held::Number(number) => (number as f64).partial_cmp(bound).is_some_and(|o| comparison.holds(o)),
            Held::Text(_) | Held::List(_) => false,
        };
        text_holds && self.list_holds(&held) && self.numbers.iter().all(in_bounds)
    }

    fn list_holds(&self, held: &Held<'_>) -> bool {
        match held {
            Held::Text(text) => self.list.holds(1, |wanted| wanted.as_str() == Some(text)),
            Held::Number(number) => self.list.holds(1, |wanted| same(&Value::from(*number), wanted)),
            Held::List(list) => {
                self.list.holds(list.len(), |wanted| list.iter().any(|text| wanted.as_str() == Some(text)))
            }
        }
    }

    pub(super) fn conditions(&self) -> Vec<Condition> {
        let mut conditions = vec![Condition::one("type", self.kind.name())];
        conditions.extend(self.exists.map(|exists| Condition::one("exists", exists)));
        conditions.extend(self.field.map(|field| Condition::one("field", field.name())));
        conditions.extend(self.list.conditions());
        conditions.extend(self.text.iter().flat_map(TextMatcher::conditions));
        conditions.extend(self.numbers.iter().map(|(c, bound)| Condition::one(c.name(), *bound)));
        conditions
    }
}

fn read_kind(operators: &Map<String, Value>, problems: &mut Problems) -> Option<Kind> {
    let Some(name) = operators.get("type") else {
        return problems.bad_data("record criterion requires a type");
    };
    problems.key("type", |problems| {
        let Some(text) = name.as_str() else {
            return problems.bad_data(format_args!("expected string for record type, got: {}", type_name(name)));
        };
        Kind::named(text).or_else(|| {
            let known = "session.Session, user.ServiceAccount, user.User or pomerium.io/DirectoryUser";
            problems.bad_data(format_args!("unknown record type: {text}; there are no records but {known}"))
        })
    })
}

fn read_exists(value: &Value, problems: &mut Problems) -> Option<bool> {
    let seen = type_name(value);
    value.as_bool().or_else(|| problems.bad_data(format_args!("expected boolean for exists operator, got: {seen}")))
}

/// Takes out the entries whose names are wanted.
fn take(operators: &mut Map<String, Value>, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let taken = operators.iter().filter(|(name, _)| wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    operators.retain(|name, _| !wanted(name));
    taken
}

fn take_numbers(operators: &mut Map<String, Value>, problems: &mut Problems) -> Box<[(Comparison, f64)]> {
    let mut numbers = Vec::new();
    for (name, value) in take(operators, |name| Comparison::named(name).is_some()) {
        problems.key(&name, |problems| match (Comparison::named(&name), value.as_f64()) {
            (Some(comparison), Some(bound)) => numbers.push((comparison, bound)),
            _ => problems.note_data(format_args!("expected number for {name} operator, got: {}", type_name(&value))),
        });
    }
    numbers.into()
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Session, Kind::ServiceAccount, Kind::User, Kind::DirectoryUser];

    fn name(self) -> &'static str {
        match self {
            Kind::Session => "session.Session",
            Kind::ServiceAccount => "user.ServiceAccount",
            Kind::User => "user.User",
            Kind::DirectoryUser => "pomerium.io/DirectoryUser",
        }
    }

    fn named(name: &str) -> Option<Kind> {
        let name = name.strip_prefix(TYPE_PREFIX).unwrap_or(name);
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn fields(self) -> &'static [Field] {
        match self {
            Kind::Session | Kind::ServiceAccount => {
                &[Field::Id, Field::UserId, Field::IdpId, Field::IssuedAt, Field::ExpiresAt]
            }
            Kind::User => &[Field::Id, Field::Email, Field::Name],
            Kind::DirectoryUser => &[Field::Id, Field::Email, Field::GroupIds],
        }
    }

    fn read_field(self, data: &Value, problems: &mut Problems) -> Option<Field> {
        let Some(name) = data.as_str() else {
            return problems.bad_data(format_args!("expected string for record field, got: {}", type_name(data)));
        };
        self.fields().iter().copied().find(|field| field.name() == name).or_else(|| {
            let known: Vec<_> = self.fields().iter().map(|field| field.name()).collect();
            let known = known.join(", ");
            problems.bad_data(format_args!("unknown field of {}: {name}; it has {known}", self.name()))
        })
    }

    fn exists(self, session: &Session) -> bool {
        match self {
            Kind::Session => !session.service_account,
            Kind::ServiceAccount => session.service_account,
            Kind::User => true,
            // No groups: no directory knows this person.
            Kind::DirectoryUser => !session.groups.is_empty(),
        }
    }
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::UserId => "user_id",
            Field::IdpId => "idp_id",
            Field::IssuedAt => "issued_at",
            Field::ExpiresAt => "expires_at",
            Field::Email => "email",
            Field::Name => "name",
            Field::GroupIds => "group_ids",
        }
    }

    fn of(self, kind: Kind, session: &Session) -> Held<'_> {
        match (self, kind) {
            (Field::Id, Kind::Session | Kind::ServiceAccount) => Held::Text(&session.id),
            (Field::Id | Field::UserId, _) => Held::Text(&session.user_id),
            (Field::IdpId, _) => Held::Text(&session.idp_id),
            (Field::IssuedAt, _) => Held::Number(session.issued_at),
            (Field::ExpiresAt, _) => Held::Number(session.expires_at),
            (Field::Email, _) => Held::Text(&session.email),
            (Field::Name, _) => Held::Text(&session.name),
            (Field::GroupIds, _) => Held::List(&session.groups),
        }
    }
}

impl Comparison {
    fn named(name: &str) -> Option<Comparison> {
        let all = [Comparison::Less, Comparison::AtMost, Comparison::Equal, Comparison::AtLeast, Comparison::More];
        all.into_iter().find(|comparison| comparison.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "=",
            Comparison::AtLeast => ">=",
            Comparison::More => ">",
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Less => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::Equal => ordering.is_eq(),
            Comparison::AtLeast => ordering.is_ge(),
            Comparison::More => ordering.is_gt(),
        }
    }
}
