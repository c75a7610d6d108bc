//! Owns SIP signalling without I/O: messages, transactions, dialogs, sessions, digest, the registrar.
//! Does not own sockets (see `sip-net`) nor the meaning of bodies (see `sdp`).

pub mod audit;
pub mod auth;
pub mod dialog;
pub mod endpoint;
pub mod framing;
pub mod headers;
pub mod limits;
pub mod masked;
pub mod message;
pub mod multipart;
pub mod outbound_registration;
#[cfg(test)]
mod pair;
pub mod params;
pub mod registrar;
pub mod relay;
pub mod resolve;
mod scan;
pub mod session;
pub mod stun;
pub mod subscription;
pub mod transaction;
pub mod uri;

pub use headers::{HeaderError, HeaderName, Headers, NameAddr};
pub use limits::Limits;
pub use message::{Message, Method, ParseError, Request, Response};
pub use params::Params;
pub use uri::Uri;
