//! The store in memory: bounded in records and in bytes. Expired sessions go first, then the least recently used; a
//! user stays as long as one of their sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{SessionRecord, StoreError, UserRecord};
use crate::plan::session::Session;

/// Most sessions kept in memory.
pub const SESSIONS_MAX: usize = 100_000;
/// Most bytes of sessions and users kept in memory.
pub const STORED_BYTES_MAX: usize = 512 * 1024 * 1024;

/// How much the store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub sessions: usize,
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { sessions: SESSIONS_MAX, bytes: STORED_BYTES_MAX }
    }
}

/// A user is named by provider and subject: two providers may give one subject to two people.
type UserKey = (String, String);

struct SessionSlot {
    record: Arc<SessionRecord>,
    /// Joined once, shared with every worker.
    joined: Arc<Session>,
    used: u64,
    bytes: usize,
}

struct UserSlot {
    record: Arc<UserRecord>,
    sessions: BTreeSet<String>,
    bytes: usize,
}

pub struct Memory {
    limits: Limits,
    sessions: HashMap<String, SessionSlot>,
    users: HashMap<UserKey, UserSlot>,
    /// Session ids by last use.
    by_use: BTreeMap<u64, String>,
    by_expiry: BTreeSet<(i64, String)>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
    /// Counts changes.
    version: u64,
}

impl Memory {
    pub(super) fn new(limits: Limits) -> Self {
        Memory {
            limits,
            sessions: HashMap::new(),
            users: HashMap::new(),
            by_use: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            bytes: 0,
            clock: 0,
            version: 0,
        }
    }

    pub(super) fn put(
        &mut self,
        mut session: SessionRecord,
        mut user: UserRecord,
        now: i64,
    ) -> Result<u64, StoreError> {
        // The join is a second copy of the claims.
        let (session_bytes, user_bytes) = (2 * session.bytes() + user.bytes(), user.bytes());
        let bytes = session_bytes + user_bytes;
        if bytes > self.limits.bytes {
            return Err(StoreError::TooLarge { bytes, limit: self.limits.bytes });
        }
        self.sweep(now);
        self.delete(&session.id);
        while !self.sessions.is_empty()
            && (self.sessions.len() >= self.limits.sessions || self.bytes + bytes > self.limits.bytes)
        {
            self.evict_least_used();
        }
        self.version += 1;
        session.version = self.version;
        user.version = self.version;
        self.put_user(&session.id, user, user_bytes);
        self.insert(session, session_bytes);
        Ok(self.version)
    }

    /// Puts the user and joins their other sessions anew, so that no policy reads the claims of an earlier sign-in.
    fn put_user(&mut self, session_id: &str, user: UserRecord, bytes: usize) {
        let key = (user.idp_id.clone(), user.id.clone());
        let mut sessions = match self.users.remove(&key) {
            Some(old) => {
                self.bytes -= old.bytes;
                old.sessions
            }
            None => BTreeSet::new(),
        };
        for id in &sessions {
            if let Some(slot) = self.sessions.get_mut(id) {
                slot.joined = Arc::new(slot.record.join(&user));
            }
        }
        sessions.insert(session_id.to_owned());
        self.bytes += bytes;
        self.users.insert(key, UserSlot { record: Arc::new(user), sessions, bytes });
    }

    fn insert(&mut self, session: SessionRecord, bytes: usize) {
        let Some(user) = self.users.get(&(session.idp_id.clone(), session.user_id.clone())) else { return };
        let joined = Arc::new(session.join(&user.record));
        self.clock += 1;
        self.bytes += bytes;
        self.by_use.insert(self.clock, session.id.clone());
        self.by_expiry.insert((session.expires_at, session.id.clone()));
        let id = session.id.clone();
        self.sessions.insert(id, SessionSlot { record: Arc::new(session), joined, used: self.clock, bytes });
    }

    pub(super) fn session(&mut self, id: &str, now: i64) -> Option<Arc<SessionRecord>> {
        self.touch(id, now).map(|slot| slot.record.clone())
    }

    pub(super) fn joined(&mut self, id: &str, now: i64) -> Option<Arc<Session>> {
        self.touch(id, now).map(|slot| slot.joined.clone())
    }

    pub(super) fn user(&self, idp_id: &str, id: &str) -> Option<Arc<UserRecord>> {
        self.users.get(&(idp_id.to_owned(), id.to_owned())).map(|slot| slot.record.clone())
    }

    /// The live session `id`, marked as just used.
    fn touch(&mut self, id: &str, now: i64) -> Option<&SessionSlot> {
        let slot = self.sessions.get_mut(id).filter(|slot| now < slot.record.expires_at)?;
        self.clock += 1;
        if let Some(id) = self.by_use.remove(&slot.used) {
            self.by_use.insert(self.clock, id);
        }
        slot.used = self.clock;
        Some(slot)
    }

    pub(super) fn delete(&mut self, id: &str) -> Option<Arc<SessionRecord>> {
        let slot = self.sessions.remove(id)?;
        self.version += 1;
        self.bytes -= slot.bytes;
        self.by_use.remove(&slot.used);
        self.by_expiry.remove(&(slot.record.expires_at, id.to_owned()));
        let key = (slot.record.idp_id.clone(), slot.record.user_id.clone());
        if let Some(user) = self.users.get_mut(&key) {
            user.sessions.remove(id);
            if user.sessions.is_empty() {
                self.bytes -= user.bytes;
                self.users.remove(&key);
            }
        }
        Some(slot.record)
    }

    pub(super) fn sweep(&mut self, now: i64) -> usize {
        let mut gone = 0;
        while let Some((_, id)) = self.by_expiry.first().filter(|(expires_at, _)| *expires_at <= now).cloned() {
            self.delete(&id);
            gone += 1;
        }
        gone
    }

    fn evict_least_used(&mut self) {
        if let Some(id) = self.by_use.first_key_value().map(|(_, id)| id.clone()) {
            self.delete(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn session(id: &str, user: &str, expires_at: i64) -> (SessionRecord, UserRecord) {
        let (idp_id, issued_at) = ("idp".to_owned(), NOW);
        let record = SessionRecord {
            id: id.into(),
            user_id: user.into(),
            idp_id: idp_id.clone(),
            issued_at,
            expires_at,
            ..SessionRecord::default()
        };
        (record, UserRecord { id: user.into(), idp_id, email: format!("{user}@{id}.example"), ..UserRecord::default() })
    }

    fn put(memory: &mut Memory, id: &str, user: &str, expires_at: i64) -> u64 {
        let (session, user) = session(id, user, expires_at);
        memory.put(session, user, NOW).unwrap()
    }

    fn is_consistent(memory: &Memory) -> bool {
        let n = memory.sessions.len();
        let of_users: usize = memory.users.values().map(|u| u.sessions.len()).sum();
        let bytes: usize = memory.sessions.values().map(|s| s.bytes).sum::<usize>()
            + memory.users.values().map(|u| u.bytes).sum::<usize>();
        memory.by_use.len() == n && memory.by_expiry.len() == n && of_users == n && memory.bytes == bytes
    }

    #[test]
    fn a_session_ends_at_its_expiry_and_is_swept() {
        let mut memory = Memory::new(Limits::default());
        put(&mut memory, "s", "alice", NOW + 10);
        assert_eq!(&*memory.joined("s", NOW + 9).unwrap().email, "alice@s.example");
        assert!(memory.joined("s", NOW + 10).is_none());
        assert_eq!(memory.sweep(NOW + 9), 0);
        assert_eq!(memory.sweep(NOW + 10), 1);
        assert!(memory.user("idp", "alice").is_none(), "the user goes with the last session");
        assert_eq!(memory.bytes, 0);
        assert!(is_consistent(&memory));
    }

    #[test]
    fn the_least_recently_used_session_makes_room() {
        let mut memory = Memory::new(Limits { sessions: 2, bytes: STORED_BYTES_MAX });
        put(&mut memory, "a", "alice", NOW + 10);
        put(&mut memory, "b", "bob", NOW + 10);
        assert!(memory.session("a", NOW).is_some());
        put(&mut memory, "c", "carol", NOW + 10);
        assert!(memory.session("b", NOW).is_none());
        assert!(memory.session("a", NOW).is_some() && memory.session("c", NOW).is_some());
        assert!(is_consistent(&memory));
    }

    #[test]
    fn expired_sessions_make_room_before_live_ones() {
        let mut memory = Memory::new(Limits { sessions: 2, bytes: STORED_BYTES_MAX });
        put(&mut memory, "live", "alice", NOW + 10);
        put(&mut memory, "dead", "bob", NOW);
        put(&mut memory, "new", "carol", NOW + 10);
        assert!(memory.session("live", NOW).is_some());
        assert!(memory.session("new", NOW).is_some());
    }

    #[test]
    fn bytes_are_bounded() {
        let (one, user) = session("s0", "u0", NOW + 10);
        let each = 2 * one.bytes() + 2 * user.bytes();
        let mut memory = Memory::new(Limits { sessions: 1000, bytes: each * 3 + each / 2 });
        for i in 0..9 {
            put(&mut memory, &format!("s{i}"), &format!("u{i}"), NOW + 10);
            assert!(memory.bytes <= memory.limits.bytes);
            assert!(is_consistent(&memory));
        }
        assert_eq!(memory.sessions.len(), 3);
        let (mut huge, user) = session("huge", "u", NOW + 10);
        huge.id_token = "x".repeat(each * 4);
        assert!(matches!(memory.put(huge, user, NOW), Err(StoreError::TooLarge { .. })));
        assert_eq!(memory.sessions.len(), 3, "a refused session costs nobody else's");
    }

    #[test]
    fn a_new_sign_in_refreshes_the_users_other_sessions_and_versions_rise() {
        let mut memory = Memory::new(Limits::default());
        let first = put(&mut memory, "a", "alice", NOW + 10);
        let second = put(&mut memory, "b", "alice", NOW + 10);
        assert!(second > first);
        assert_eq!(&*memory.joined("a", NOW).unwrap().email, "alice@b.example");
        assert_eq!(memory.user("idp", "alice").unwrap().version, second);
        assert!(memory.delete("a").is_some() && memory.delete("a").is_none());
        assert!(memory.user("idp", "alice").is_some());
        assert!(memory.user("other", "alice").is_none());
        assert!(is_consistent(&memory));
    }

    #[test]
    fn putting_the_same_id_twice_keeps_one() {
        let mut memory = Memory::new(Limits::default());
        put(&mut memory, "a", "alice", NOW + 10);
        put(&mut memory, "a", "bob", NOW + 20);
        assert_eq!(&*memory.joined("a", NOW + 15).unwrap().user_id, "bob");
        assert!(is_consistent(&memory));
    }
}
