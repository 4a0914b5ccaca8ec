//! The keeper of the image: `vallum image-keeper`, run as root by units of the appliance, each time for as long as one
//! thing takes.
//!
//! An update writes the slot that does not run, and lets it count only at the very end, by one rename in the EFI system
//! partition (`install`). Until then the machine boots what it booted before, whenever the power fails. systemd-boot then
//! tries the new version three times; it is blessed once the data plane reports ready (`prove`), and otherwise the old
//! one is taken again. The service itself has no privilege; it asks by a socket (`answer`).

mod answer;
mod esp;
mod failure;
mod gpt;
mod install;
mod machine;
mod medium;
mod note;
mod prove;
mod release;
mod slots;
mod source;
mod staged;
mod telling;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use super::cli::Keeper;
use super::console_line::{self, Priority};
use crate::control::admin::appliance::door::Upgrade;
use failure::UpdateError;
use machine::Machine;
use telling::Telling;

/// The credential that names where releases come from.
const SOURCE_CREDENTIAL: &str = "vallum.update-source";

/// Does what the unit says.
pub fn run(wanted: Keeper) -> ExitCode {
    let done = match wanted {
        Keeper::Answer => answer::standard_input(),
        Keeper::Update => update(),
        Keeper::Prove => prove::run(),
        Keeper::Look => look(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console_line::say(Priority::Error, &format!("image: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the timer does: a later release is installed and started. Without a source there is nothing to do.
fn update() -> Result<(), UpdateError> {
    if machine::given_source().is_none() {
        return Ok(());
    }
    let done = Machine::find()?.upgrade(&Upgrade::default(), &mut Telling::nobody())?;
    // One that was written before waits for whoever wrote it: nobody is taken by surprise, and nothing starts in circles.
    if done.answer["changed"] == true {
        machine::reboot()?;
    }
    Ok(())
}

/// What the start does: says so when a version failed to start and the one before runs.
fn look() -> Result<(), UpdateError> {
    Machine::find()?.look()
}
