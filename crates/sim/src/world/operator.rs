//! Owns what an operator asks of the switch in a world: calls made, sent elsewhere, listened to, ended. Does not own what
//! becomes of it (see `call`).

use std::sync::Arc;

use model::command::{ConferenceWish, First, Originate};
use model::supervision::Verb;
use model::{AgentId, CallId, ConferenceName};

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

    /// Ends a call.
    pub fn hang_up(&mut self, call: CallId) {
        self.shard_hears(call.shard(), call::Input::HangUp { call });
    }

    /// Sends whom the agent of a call talks with elsewhere.
    pub fn transfer(&mut self, call: CallId, to: &str) {
        self.shard_hears(call.shard(), call::Input::Transfer { call, to: to.into() });
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
