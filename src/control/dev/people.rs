//! The three people whom the development identity provider knows.

/// One of them. There is no password: whoever can open the page may be any of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// The OpenID subject.
    pub id: &'static str,
    pub name: &'static str,
    pub email: &'static str,
    pub groups: &'static [&'static str],
    /// What the person is there to show.
    pub part: &'static str,
}

/// Everybody.
pub const PEOPLE: [Person; 3] = [
    Person {
        id: "alice",
        name: "Alice Archer",
        email: "alice@example.com",
        groups: &["admins"],
        part: "may open every page, the admins' one too",
    },
    Person {
        id: "bob",
        name: "Bob Baker",
        email: "bob@example.com",
        groups: &["users"],
        part: "may open verify and public; admin says no",
    },
    Person {
        id: "mallory",
        name: "Mallory Marsh",
        email: "mallory@example.com",
        groups: &[],
        part: "is in no group: admin says no and why",
    },
];

/// The person with that id.
pub fn find(id: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.id == id)
}
