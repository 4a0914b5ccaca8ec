//! How many descriptors this process may have.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// What an unlimited process is taken to have: more than any machine of today serves.
const UNLIMITED: u64 = 1 << 24;

/// Raises the limit to what the system allows this process, and returns it.
pub fn raise_limit() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(self::limit())
}

/// How many descriptors this process may have now.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED).min(UNLIMITED)
}

/// Whether the system has nothing left for one more socket (EMFILE, ENFILE, ENOBUFS, ENOMEM).
pub fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_highest() {
        let raised = raise_limit().unwrap();
        assert_eq!(raised, limit());
        assert_eq!(getrlimit(Resource::Nofile).maximum.unwrap_or(UNLIMITED).min(UNLIMITED), raised);
    }
}
