//! Owns where a person can be reached. Does not own how (see `call::originate`).

use std::sync::Arc;

use crate::{Aor, TrunkName};

/// A way to reach an agent or bound phone (绑定电话).
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialTarget {
    /// The bindings of a registered phone.
    Phone(Aor),
    /// A mobile or landline through a trunk.
    Trunk {
        /// The trunk to call through.
        trunk: TrunkName,
        /// The number, digits only, in the national form.
        number: Arc<str>,
    },
    /// A fixed SIP address, written as a URI.
    Uri(Arc<str>),
}

impl std::fmt::Display for DialTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DialTarget::Phone(aor) => f.write_str(aor.user()),
            DialTarget::Trunk { number, .. } => f.write_str(number),
            DialTarget::Uri(uri) => f.write_str(uri),
        }
    }
}
