//! Owns what a transaction is: its ids, its states (RFC 3261 figures 5–8 as amended by RFC 6026), its timers.
//! Does not own the transitions (see [`crate::endpoint`]).

pub(crate) mod client;
pub(crate) mod key;
pub(crate) mod server;
pub(crate) mod slab;
pub(crate) mod tail;
pub(crate) mod timers;

use std::fmt;

macro_rules! tx_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u64);

        impl $name {
            /// The 64 bits of the id; never used again by the endpoint that gave it.
            pub const fn raw(self) -> u64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:x})"), self.0)
            }
        }
    )*};
}

tx_ids! {
    /// A server transaction: a request that came, until its last response needs no repetition.
    ServerTx;
    /// A client transaction: a request that we sent, until its last response can come no more.
    ClientTx;
}
