//! Owns the words all crates share: ids, names, numbers, speech, and two vocabularies: [`event`] (facts, in the
//! past tense) and [`command`] (wishes, in the imperative). Does not own behaviour: nothing here decides.

pub mod command;
pub mod diversion;
pub mod event;
mod ids;
mod names;
pub mod night;
pub mod numbers;
pub mod outcome;
pub mod recording;
pub mod say;
pub mod supervision;
mod target;
pub mod voicemail;

pub use ids::{CallId, EntryId, IdGen, LegId, OfferId, ParseIdError, PlayId, RecordingId};
pub use names::{
    AgentId, Aor, ConferenceName, FlowName, HotlineNumber, InterfaceName, ListName, MailboxName, PromptName,
    QueueName, TenantId, TrunkName,
};
pub use target::DialTarget;
