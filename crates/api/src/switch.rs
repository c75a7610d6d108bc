//! Owns what the server asks of the running switch.

use std::future::Future;
use std::pin::Pin;

use model::command::{Command, Originate, Refused};
use model::{CallId, TenantId};

use crate::view::{
    AgentView, BanView, ConferenceView, LiveCall, MailboxView, MessageView, NumberView, PhoneView, QueueView,
    TrunkView,
};

/// An answer that may take a moment.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running switch, as the server sees it. Every answer is a copy of the state at one moment.
pub trait Switch: Send + Sync + 'static {
    /// The calls of `tenant` that are up, oldest first.
    fn live_calls(&self, tenant: TenantId) -> Answer<'_, Vec<LiveCall>>;
    /// One call that is up, whosever it is.
    fn live_call(&self, call: CallId) -> Answer<'_, Option<LiveCall>>;
    /// The messages kept of one call of `tenant`, oldest first.
    fn messages(&self, tenant: TenantId, call: CallId) -> Answer<'_, Vec<MessageView>>;
    /// The agents of `tenant`, by number.
    fn agents(&self, tenant: TenantId) -> Answer<'_, Vec<AgentView>>;
    /// The queues of `tenant`, by name.
    fn queues(&self, tenant: TenantId) -> Answer<'_, Vec<QueueView>>;
    /// The phones of `tenant`, by address.
    fn phones(&self, tenant: TenantId) -> Answer<'_, Vec<PhoneView>>;
    /// The hotline numbers of `tenant`, in the order of the configuration.
    fn numbers(&self, tenant: TenantId) -> Answer<'_, Vec<NumberView>>;
    /// The mailboxes of `tenant` with their messages, by name.
    fn mailboxes(&self, tenant: TenantId) -> Answer<'_, Vec<MailboxView>>;
    /// The conferences of `tenant` in progress.
    fn conferences(&self, tenant: TenantId) -> Answer<'_, Vec<ConferenceView>>;
    /// The node's trunks, by name.
    fn trunks(&self) -> Answer<'_, Vec<TrunkView>>;
    /// Banned sources, the ban that ends first at the front.
    fn bans(&self) -> Answer<'_, Vec<BanView>>;
    /// Joins an agent with a number; the call, or why there is none.
    fn originate(&self, wish: Originate) -> Answer<'_, Result<CallId, Refused>>;
    /// Does what is asked, or says why not.
    fn command(&self, command: Command) -> Answer<'_, Result<(), Refused>>;
    /// Why the switch takes no calls at present, in words; `None` when it does.
    fn unhealthy(&self) -> Option<String>;
}
