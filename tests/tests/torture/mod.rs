//! The pieces of the exam: the document, the messages, and the carrier that asks.

pub mod carrier;
pub mod document;
pub mod message;
