//! Why the image stayed as it is.

use std::io;
use std::path::PathBuf;

use super::SOURCE_CREDENTIAL;
use super::gpt::GptError;
use super::release::ReleaseError;

/// Each says what was seen, what was expected, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error("this system was not started from the appliance's disk: the kernel's command line names no root hash")]
    NotFromDisk,
    #[error("the disk does not have the appliance's two slots, one of which runs")]
    Layout,
    #[error(transparent)]
    Gpt(#[from] GptError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("this image takes no updates: it was built without `--update-key`")]
    NoKey,
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    #[error("the disk: {0}")]
    Disk(io::Error),
    #[error("the boot files in the EFI system partition: {0}")]
    BootFiles(io::Error),
    #[error("the release has no room in {path}: {1}", path = .0.display())]
    Staging(PathBuf, io::Error),
    #[error("{0:?} is no source: expected the absolute path of a folder, or its https URL without a query")]
    Source(String),
    #[error("the source holds a user or a password: releases are signed, and their place is no secret")]
    SourceSecret,
    #[error("no source is given: name one with `--source`, or give the machine the credential {SOURCE_CREDENTIAL}")]
    NoSource,
    #[error("{0} cannot be fetched: {1}")]
    Fetch(String, String),
    #[error("{name} is longer than {limit} bytes, which is all that it may have")]
    Length { name: String, limit: u64 },
    #[error("{name} ends after {bytes} bytes of {expected}")]
    Short { name: String, bytes: u64, expected: u64 },
    #[error("{name} is not the file that was signed: its SHA-256 is {seen}, not {expected}")]
    Different { name: String, seen: String, expected: String },
    #[error("{what} has {bytes} bytes, of which {room} have room")]
    NoRoom { what: &'static str, bytes: u64, room: u64 },
    #[error(
        "the release is {0}, older than {1}, which runs: `rollback` goes back to what is on the disk, nothing else does"
    )]
    Older(String, String),
    #[error("the release {0} has the very root that runs")]
    SameRoot(String),
    #[error("the running version {0} has not proved good yet; the other slot is what it falls back to")]
    NotProven(String),
    #[error("version {0} was tried and did not serve; publish a later one, or insist with `--retry`")]
    Failed(String),
    #[error("there is no other version that could be started")]
    NothingElse,
    #[error("another update is under way")]
    Busy,
    #[error("the machine cannot be told to start again: {0}")]
    Reboot(io::Error),
    #[error("the request could not be read: {0}")]
    Request(String),
    #[error("process {pid} of user {user} may not ask: only root and vallum.service may")]
    Stranger { pid: i32, user: u32 },
    #[error("the data plane does not report ready after {0} s")]
    NotReady(u64),
    #[error("cannot start: {0}")]
    Start(io::Error),
}
