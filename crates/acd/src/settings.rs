//! Owns what an operator sets for queues and agents. Does not own their live state.

use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, DialTarget, QueueName, TenantId};

/// All queues and agents of one tenant.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TenantSettings {
    /// Whose they are.
    pub tenant: TenantId,
    /// The queues.
    pub queues: Vec<QueueSettings>,
    /// The agents.
    pub agents: Vec<AgentSettings>,
    /// Time for 话后整理 after a conversation that no queue made: outbound, with a colleague, picked up.
    pub own_calls_wrap_up: Duration,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QueueSettings {
    /// Its name.
    pub name: QueueName,
    /// Whom it chooses among those free.
    pub strategy: Strategy,
    /// Its agents.
    pub tiers: Vec<Tier>,
    /// How long one agent's phone rings.
    pub ring: Duration,
    /// How long a caller waits at most.
    pub max_wait: Option<Duration>,
    /// How many callers may wait.
    pub max_waiting: Option<usize>,
    /// Time for 话后整理 after each conversation.
    pub wrap_up: Duration,
    /// How long an agent who did not answer is passed over.
    pub no_answer_rest: Duration,
    /// A caller leaves at once (无坐席) when nobody of the queue is signed in.
    pub leave_when_nobody: bool,
    /// What waiting callers are told.
    pub announce: Announce,
    /// Added to the entry's own priority; higher goes first, across the queues that share an agent.
    pub priority: i32,
}

/// What waiting callers are told.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Announce {
    /// Say how many wait ahead, only when that got better.
    pub position: bool,
    /// Not more often than this.
    pub every: Duration,
}

/// An agent's place in a queue.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tier {
    /// Who.
    pub agent: AgentId,
    /// Lower levels are asked first.
    pub level: u32,
}

/// 排队机制: whom a queue chooses among the free agents of the best level. Ties go to the longest idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Who has been free for the longest time.
    LongestIdle,
    /// In turn.
    RoundRobin,
    /// The first free of the list.
    TopDown,
    /// 最少通话次数: fewest calls talked today.
    FewestCalls,
    /// 最短通话时长: least talk time today.
    LeastTalk,
    /// Every free agent at once; the first answer wins.
    AllAtOnce,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AgentSettings {
    /// 工号 within the tenant.
    pub id: AgentId,
    /// The name people know.
    pub name: Arc<str>,
    /// Where the agent is reached.
    pub target: DialTarget,
    /// How the agent signs in.
    pub sign_in: SignIn,
}

/// How an agent becomes signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// By feature code, CLI or API; the phone's registration alone does not.
    ByCode,
    /// By registering the phone: ready when it registers, 离线 when it goes.
    ByRegistering,
    /// Always: bound phones (mobiles, landlines, fixed addresses).
    Always,
}
