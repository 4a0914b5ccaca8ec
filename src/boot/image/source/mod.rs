//! Where a release comes from: a folder of this machine, or a web server. Neither is trusted: what is read is bounded in
//! bytes and time, and compared with what was signed.

mod web;

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use url::Url;

use super::UpdateError;
use super::release::Part;
use crate::control::oidc::fetch::is_permitted;
use web::Web;

/// Bytes read from a file at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Longest text of a source, in bytes.
const SOURCE_BYTES_MAX: usize = 2048;
/// So much of a longer one is shown, in characters.
const SOURCE_SHOWN_MAX: usize = 60;

/// Takes the pieces of a file as they come.
pub type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), UpdateError>;

/// Where a source is.
#[derive(Debug)]
pub enum Place {
    Folder(PathBuf),
    Web(Url),
}

impl Place {
    /// `text` is an absolute path, or the URL of a folder: https, or http on loopback. It is shown to those who ask, so
    /// it holds no secret.
    pub fn parse(text: &str) -> Result<Place, UpdateError> {
        let text = text.trim();
        if text.len() > SOURCE_BYTES_MAX {
            return Err(UpdateError::Source(text.chars().take(SOURCE_SHOWN_MAX).collect()));
        }
        if text.starts_with('/') {
            return Ok(Place::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).ok();
        if url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
            return Err(UpdateError::SourceSecret);
        }
        let is_folder = |url: &Url| is_permitted(url) && url.query().is_none() && url.fragment().is_none();
        url.filter(is_folder).map(Place::Web).ok_or_else(|| UpdateError::Source(text.to_owned()))
    }
}

/// A place with a release's files, ready to be read.
pub enum Source {
    Folder(PathBuf),
    Web(Box<Web>),
}

impl Source {
    /// The place that `text` names ([`Place::parse`]).
    pub fn new(text: &str) -> Result<Source, UpdateError> {
        match Place::parse(text)? {
            Place::Folder(path) => Ok(Source::Folder(path)),
            Place::Web(url) => Ok(Source::Web(Box::new(Web::new(url)?))),
        }
    }

    /// A small file, whole; longer than `limit` bytes is an error.
    pub fn small(&self, name: &str, limit: usize) -> Result<Vec<u8>, UpdateError> {
        let mut all = Vec::new();
        self.chunks(name, &mut |chunk| {
            if all.len() + chunk.len() > limit {
                return Err(UpdateError::Length { name: name.to_owned(), limit: limit as u64 });
            }
            all.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(all)
    }

    /// A file of a release, handed to `sink` piece by piece. It has been handed over by the time its sum is known: it
    /// counts only when this is `Ok`.
    pub fn part(&self, part: &Part, sink: Sink) -> Result<(), UpdateError> {
        let (mut sum, mut length) = (digest::Context::new(&digest::SHA256), 0u64);
        self.chunks(&part.name, &mut |chunk| {
            length += chunk.len() as u64;
            if length > part.bytes {
                return Err(UpdateError::Length { name: part.name.clone(), limit: part.bytes });
            }
            sum.update(chunk);
            sink(chunk)
        })?;
        if length != part.bytes {
            return Err(UpdateError::Short { name: part.name.clone(), bytes: length, expected: part.bytes });
        }
        let seen: String = sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if !seen.eq_ignore_ascii_case(&part.sha256) {
            return Err(UpdateError::Different { name: part.name.clone(), seen, expected: part.sha256.clone() });
        }
        Ok(())
    }

    fn chunks(&self, name: &str, sink: Sink) -> Result<(), UpdateError> {
        match self {
            Source::Folder(folder) => read(&folder.join(name), sink),
            Source::Web(web) => web.download(name, sink),
        }
    }
}

fn read(path: &Path, sink: Sink) -> Result<(), UpdateError> {
    let unreadable = |error: std::io::Error| UpdateError::Fetch(path.display().to_string(), error.to_string());
    // A pipe or a device in the place of a file must not keep us waiting.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut file = options.open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(UpdateError::Fetch(path.display().to_string(), "it is no file".to_owned()));
    }
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(()),
            length => sink(&buffer[..length])?,
        }
    }
}
