//! Owns what an operator asks of the switch in a world: calls made, sent elsewhere, listened to, ended. Does not own what
//! becomes of it (see `call`).

use std::sync::Arc;

use model::command::{ConferenceWish, First, MessageDeed, Originate};
use model::night::Turn;
use model::supervision::Verb;
use model::voicemail::Message;
use model::{AgentId, CallId, ConferenceName, HotlineNumber, MailboxName, RecordingId, TenantId};

use super::World;

impl World {
    /// Joins an agent with a number.
    ///
    /// # Errors
    /// Why there is no call, in words.
    pub fn originate(&mut self, agent: &AgentId, to: &str, first: First) -> Result<CallId, Arc<str>> {
        let wish = Originate { agent: agent.clone(), to: Arc::from(to), first };
        // Each in turn, as the node does it.
        let shard = u8::try_from(self.around.originated.len() % self.shards.len()).unwrap_or(0);
        self.shard_hears(shard, call::Input::Originate { ask: 0, wish });
        self.around.originated.last().cloned().unwrap_or_else(|| Err(Arc::from("no answer")))
    }

    /// Turns the night switch of a number of the first tenant.
    pub fn turn_night(&mut self, number: &str, turn: Turn) {
        let number = HotlineNumber::new(&TenantId::default(), number);
        self.shard_hears(0, call::Input::TurnNight { number, turn, by: Arc::from("API") });
    }

    /// The messages in a mailbox of the first tenant.
    pub fn messages(&self, mailbox: &str) -> Vec<Message> {
        self.shards[0].messages(&MailboxName::new(&TenantId::default(), mailbox))
    }

    /// Time passes for messages.
    pub fn tidy_mailboxes(&mut self) {
        self.shard_hears(0, call::Input::TidyMailboxes);
    }

    /// An operator does something with a message of the first tenant.
    pub fn deal(&mut self, mailbox: &str, message: RecordingId, deed: MessageDeed) {
        let mailbox = MailboxName::new(&TenantId::default(), mailbox);
        self.shard_hears(0, call::Input::Mailbox { mailbox, message, deed, by: Arc::from("API") });
    }

    /// Ends a call.
    pub fn hang_up(&mut self, call: CallId) {
        self.shard_hears(call.shard(), call::Input::HangUp { call });
    }

    /// Sends whom the agent of a call talks with elsewhere.
    pub fn transfer(&mut self, call: CallId, to: &str) {
        self.shard_hears(call.shard(), call::Input::Transfer { call, to: to.into() });
    }

    /// An agent writes a note on a call.
    pub fn note(&mut self, call: CallId, by: &AgentId, text: &str) {
        let (by, text) = (Some(by.clone()), text.into());
        self.shard_hears(call.shard(), call::Input::Note { call, by, text });
    }

    /// A supervisor asks for a call by an operator's command.
    pub fn supervise(&mut self, call: CallId, by: &AgentId, verb: Verb) {
        self.shard_hears(call.shard(), call::Input::Supervise { call, by: by.clone(), verb });
    }

    /// An operator asks something of a conference.
    pub fn confer(&mut self, name: ConferenceName, wish: ConferenceWish) {
        self.shard_hears(0, call::Input::Conference(call::ConferenceInput::Wish { name, wish }));
    }

    /// The conferences in progress.
    pub fn conferences(&self) -> Vec<call::ConferenceView> {
        self.shards[0].conferences().collect()
    }
}
