//! Files (Landlock): nothing is written outside the own folders, nothing is executed, no further TCP port is bound.

use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus,
};

/// What the rules are written for; older kernels enforce what they know.
const WRITTEN_FOR: ABI = ABI::V5;

/// Why the kernel does not hold us to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error(transparent)]
    Rules(#[from] RulesetError),
    #[error("this kernel has no Landlock, or it is not switched on")]
    Unsupported,
}

/// Writing stays possible below `writable` (folders that exist), reading everywhere: a reload reads what it is told to.
pub(super) fn restrict(writable: &[PathBuf]) -> Result<String, FilesError> {
    let writes = AccessFs::from_write(WRITTEN_FOR);
    let mut rules = Ruleset::default()
        .handle_access(writes | AccessFs::Execute)?
        // All sockets are open by now; a change of their addresses needs a restart.
        .handle_access(AccessNet::BindTcp)?
        .create()?;
    for folder in writable.iter().filter_map(|folder| PathFd::new(folder).ok()) {
        rules = rules.add_rule(PathBeneath::new(folder, writes))?;
    }
    match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok("enforced".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("enforced in part".to_owned()),
        RulesetStatus::NotEnforced => Err(FilesError::Unsupported),
    }
}
