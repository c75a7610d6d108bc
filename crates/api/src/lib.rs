//! Owns the HTTP server, what it shows, and the client that the command line speaks to it with. Does not own state:
//! live state comes through [`Switch`], past calls from `store`. No other crate serves HTTP.
//!
//! Every request but those of the console's page and `/healthz`, and `/metrics` from this machine, carries
//! `Authorization: Bearer <token>`. Names are those of tenant `default` unless `?tenant=` says otherwise. Errors are
//! `{"error": {"zh": …, "en": …}}`.

pub mod client;
mod console;
mod error;
mod events;
pub mod metrics;
mod numbers;
mod recordings;
mod records;
mod routes;
mod said;
mod server;
mod sound;
mod switch;
mod token;
pub mod view;
mod voicemail;

pub use client::{Client, ClientError};
pub use error::Problem;
pub use server::{Limits, Server, serve};
pub use switch::{Answer, Switch};
pub use token::{Token, TokenError};
