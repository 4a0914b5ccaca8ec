//! Drives the portal by visits, with a small provider on loopback that can misbehave.

use crate::plan::Plan;
use url::Url;

pub(super) fn plan(_authenticate: Option<Url>) -> Plan {
    unimplemented!()
}
