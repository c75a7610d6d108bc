//! What RFCs ask of a user agent, section by section: the tree of modules is the tree of the documents, each test is
//! named by an arrow of a figure or by a MUST, with the sentence it holds us to. Time is virtual; the peer is what the
//! test writes.

mod rfc3261;
mod rfc3262;
mod rfc3264;
mod rfc3311;
mod rfc3323;
mod rfc3326;
mod rfc3515;
mod rfc3891;
mod rfc4028;
mod rfc4488;
mod rfc6026;
mod rfc6086;
mod rfc6337;
mod ua;
