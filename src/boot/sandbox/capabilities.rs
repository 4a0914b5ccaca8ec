//! Capabilities: all are dropped but one that reading files may need.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities};
use rustix::thread::{capability_is_in_bounding_set, remove_capability_from_bounding_set};

/// Root without capabilities may not read what belongs to others, and a reload must read certificates that an ACME
/// client owns. Reading is all that it grants.
const KEPT: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;

/// Drops what this thread has, and what it could get back. Says what is left.
pub(super) fn drop_all() -> Result<String, Errno> {
    let now = capabilities(None)?;
    let kept = now.effective & KEPT;
    // Where the right to do so is missing there is nothing to gain either: no_new_privs holds.
    if now.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            if !kept.contains(capability) && capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    clear_ambient_capability_set()?;
    if now.permitted | now.effective | now.inheritable != kept {
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
        )?;
    }
    Ok(if kept.is_empty() { "none" } else { "DAC_READ_SEARCH" }.to_owned())
}
