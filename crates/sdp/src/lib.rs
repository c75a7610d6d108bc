//! Owns session descriptions: a parser and printer that keep every line, and offer/answer. Does not own media
//! (see `media`), nor when to offer (see `sip` and `call`).

mod negotiated;

pub use negotiated::{Codec, Direction, Local, Negotiated, Session};
