//! Owns flows: the tree an operator draws, and one caller's way through it.
//! Does not own prompts' sounds (see `media`), queues (see `acd`) or calls (see `call`); it has never heard of SIP.

mod check;
mod flow;
mod io;
mod retrieval;
mod session;

pub use check::{Finding, Problem, Severity, check};
pub use flow::{AnswerRule, BoundPhone, Flow, Interrupt, Node, NodeName};
pub use io::{Input, Output, Parked, Served};
pub use retrieval::{Opening, Retrieval, RetrievalOutput};
pub use session::Session;
