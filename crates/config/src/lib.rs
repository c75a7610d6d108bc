//! Owns how an operator's folder of TOML becomes the cores' settings, with every mistake reported at once.
//! Does not own what the settings mean (see `routing`, `acd`, `ivr`) or when a folder is read again (see `hotline`).
//!
//! One table per kind of object (`fields`) says which keys exist; the decoder, the diagnostics, the JSON Schema
//! and the reference are made from it.

mod changes;
mod decode;
mod diagnostics;
pub mod edit;
mod fields;
mod folder;
mod loaded;
mod reading;
mod record;
mod reference;
mod schema;
mod sources;
mod starter;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;

pub use changes::{Changes, ListenerNotOpen};
pub use diagnostics::{Color, Diagnostic, Diagnostics, Place, Severity};
pub use loaded::{
    DigitOne, DnsSettings, HookEvent, HookSettings, Loaded, MarkSettings, NodeSettings, OldestTls, Pinning,
    PromptSettings, RecordingSettings, StreamSettings, TlsSettings, TraceSettings, TransportSettings,
};
pub use reference::{Lang, reference};
pub use schema::schema;
pub use sources::{ReadError, SourceFile, Sources};
pub use starter::starter;

/// Decodes a folder, or says everything that is wrong with it.
///
/// # Errors
/// Every syntax error, unknown key, wrong type, dangling name and duplicate of all files, in the order of files.
/// Warnings alone do not fail; they are in [`Loaded::warnings`].
pub fn load(sources: &Sources) -> Result<Loaded, Diagnostics> {
    folder::load(sources)
}
