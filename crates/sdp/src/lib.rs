//! Owns session descriptions: a parser and printer that keep every line, and offer/answer. Does not own media
//! (see `media`), nor when to offer (see `sip` and `call`).

mod crypto;
mod description;
mod fax;
mod negotiated;
mod offer_answer;

pub use crypto::{MasterKey, Secrecy, Srtp, Suite};
pub use description::{Connection, Crypto, Description, Formats, Media, Origin, ParseError, RtpMap};
pub use fax::{Fax, FaxTerms, accept_fax, answer_fax, fax, offer_fax};
pub use negotiated::{Codec, Codecs, Direction, KeyWay, Local, Negotiated, PTIME_MS, Session};
pub use offer_answer::{Unacceptable, accept, accept_first, answer, offer, reoffer, says_the_same};
