//! The start of a managed service: the configuration that was found, else the last good one.

use std::path::Path;

use super::last_good::LastGood;
use crate::boot::console_line::{self, Priority};
use crate::boot::folders::Folders;
use crate::boot::reload::summary;
use crate::boot::report;
use crate::control::config::{Loaded, Problem, Problems, Reloader};

/// What a service starts with.
pub struct Beginning {
    pub reloader: Reloader,
    pub loaded: Loaded,
    /// Where what serves is kept for a worse day; `None` where there is no state folder.
    pub kept: Option<LastGood>,
    /// Why the last good configuration serves instead of the one that was found; `None`: that one does.
    pub refused: Option<Problems>,
}

/// Loads `file`. A bad one is reported, and what served last takes its place until a reload finds a good one; without
/// that the problems come back.
pub fn start(file: &Path, folders: &Folders) -> Result<Beginning, Problems> {
    let kept = open(folders);
    match Reloader::start(Some(file), report::environment()) {
        Ok((reloader, loaded)) => Ok(Beginning { reloader, loaded, kept, refused: None }),
        Err(problems) => resort(file, problems, kept),
    }
}

/// What served last, in the place of a configuration that was meant to be at `file` and is lost.
pub fn without(file: &Path, why: &str, folders: &Folders) -> Result<Beginning, Problems> {
    resort(file, Problems { list: vec![Problem::whole(why.to_owned())], dropped: 0 }, open(folders))
}

fn open(folders: &Folders) -> Option<LastGood> {
    let opened = LastGood::open(folders.state.as_deref()?, folders.credentials.as_deref());
    opened.map_err(|error| console_line::say(Priority::Error, &error.to_string())).ok()
}

fn resort(file: &Path, problems: Problems, kept: Option<LastGood>) -> Result<Beginning, Problems> {
    match recall(kept.as_ref(), file) {
        Some((reloader, loaded)) => {
            report::print(&problems.list);
            let why = format!("{} IS BAD; the LAST GOOD configuration is served instead", file.display());
            console_line::say(Priority::Error, &why);
            Ok(Beginning { reloader, loaded, kept, refused: Some(problems) })
        }
        None => Err(problems),
    }
}

/// The last good configuration, when there is one and it is still good.
fn recall(kept: Option<&LastGood>, file: &Path) -> Option<(Reloader, Loaded)> {
    let text = kept?.recall().unwrap_or_else(|error| {
        console_line::say(Priority::Error, &error.to_string());
        None
    })?;
    let started = Reloader::resort(&text, file, report::environment());
    let worse = |problems| format!("the last good configuration is not good any more: {}", summary(&problems));
    started.map_err(|problems| console_line::say(Priority::Error, &worse(problems))).ok()
}
