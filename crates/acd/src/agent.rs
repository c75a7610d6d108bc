//! Owns one agent's live state: what was chosen, what is seen, what was done today.
//! Does not own the offer that rings or became a talk (see `offer`).

use std::time::Duration;

use clock::Instant;
use model::event::{AgentActivity, AgentState};
use model::{CallId, DialTarget, OfferId};

use crate::offer::{Offer, OfferState};
use crate::queue::QueueSlot;
use crate::{AgentSettings, Engaged, SignIn};

/// An agent's place in the machine's tables; not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct AgentSlot(pub(crate) u32);

/// One agent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Agent {
    pub(crate) settings: AgentSettings,
    pub(crate) listed: Listed,
    /// The queues whose tiers name the agent.
    pub(crate) queues: Vec<QueueSlot>,
    pub(crate) state: AgentState,
    pub(crate) state_since: Instant,
    pub(crate) reachable: bool,
    /// The one offer that rings, is being withdrawn, or became a talk.
    pub(crate) offer: Option<OfferId>,
    /// Calls that the ACD did not make.
    pub(crate) occupied: Vec<Occupation>,
    pub(crate) wrap_until: Option<Instant>,
    pub(crate) rest_until: Option<Instant>,
    /// Since when nothing was asked of the agent; unmoved by offers that the caller ended.
    pub(crate) idle_since: Instant,
    pub(crate) today: Today,
    pub(crate) seen: Seen,
}

/// Whether the settings still name the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Listed {
    Yes,
    /// Removed; stays until its talk ends.
    No,
}

/// A call that the ACD did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Occupation {
    pub(crate) call: CallId,
    pub(crate) engaged: Engaged,
    /// The start of the talk that is not yet counted; None before the conversation.
    pub(crate) counted_from: Option<Instant>,
}

/// The day's counters (R25), in and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Today {
    pub(crate) calls: u32,
    pub(crate) talk: Duration,
}

/// The activity last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Seen {
    pub(crate) activity: AgentActivity,
    pub(crate) call: Option<CallId>,
    pub(crate) since: Instant,
}

/// Why an agent can or cannot be offered a caller now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// 空闲: can be offered a caller.
    Free,
    /// 离线
    Offline,
    /// 示忙
    Busy,
    /// 小休
    Break,
    /// 异常: the phone cannot be reached.
    Unreachable,
    /// 振铃: has an offer.
    Ringing,
    /// 通话中 or 保持
    Talking,
    /// 监听中: in somebody else's conversation.
    Supervising,
    /// 话后整理
    WrapUp,
    /// Did not answer and is passed over for a while.
    Resting,
    /// No longer configured; finishes a talk.
    Removed,
}

impl Standing {
    /// The word Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            Standing::Free => "空闲",
            Standing::Offline => "离线",
            Standing::Busy => "示忙",
            Standing::Break => "小休",
            Standing::Unreachable => "异常",
            Standing::Ringing => "振铃",
            Standing::Talking => "通话中",
            Standing::Supervising => "监听中",
            Standing::WrapUp => "话后整理",
            Standing::Resting => "未接暂停分配",
            Standing::Removed => "已删除",
        }
    }

    /// The same in English.
    pub const fn en(self) -> &'static str {
        match self {
            Standing::Free => "free",
            Standing::Offline => "offline",
            Standing::Busy => "busy",
            Standing::Break => "on a break",
            Standing::Unreachable => "phone not reachable",
            Standing::Ringing => "ringing",
            Standing::Talking => "talking",
            Standing::Supervising => "supervising a call",
            Standing::WrapUp => "in wrap-up",
            Standing::Resting => "passed over after an unanswered offer",
            Standing::Removed => "removed",
        }
    }
}

impl Agent {
    /// An agent as it is before anything was heard of it.
    pub(crate) fn new(now: Instant, settings: AgentSettings) -> Agent {
        let reachable = !has_phone(&settings);
        let state = match settings.sign_in {
            SignIn::Always => AgentState::Ready,
            SignIn::ByRegistering if reachable => AgentState::Ready,
            SignIn::ByRegistering | SignIn::ByCode => AgentState::Offline,
        };
        Agent {
            settings,
            listed: Listed::Yes,
            queues: Vec::new(),
            state,
            state_since: now,
            reachable,
            offer: None,
            occupied: Vec::new(),
            wrap_until: None,
            rest_until: None,
            idle_since: now,
            today: Today::default(),
            seen: Seen { activity: AgentActivity::Idle, call: None, since: now },
        }
    }

    /// Whether the agent counts as signed in: on a break or busy counts too.
    pub(crate) fn is_present(&self) -> bool {
        self.listed == Listed::Yes && self.state != AgentState::Offline
    }

    pub(crate) fn is_free(&self) -> bool {
        self.listed == Listed::Yes
            && self.state == AgentState::Ready
            && self.reachable
            && self.offer.is_none()
            && self.occupied.is_empty()
            && self.wrap_until.is_none()
            && self.rest_until.is_none()
    }

    /// Nothing more is to come of it.
    pub(crate) fn is_disengaged(&self) -> bool {
        self.offer.is_none() && self.occupied.is_empty()
    }

    /// Why it can or cannot be offered a caller. `offer` is the agent's own, if it has one.
    pub(crate) fn standing(&self, offer: Option<&Offer>) -> Standing {
        if self.is_free() {
            return Standing::Free;
        }
        match self.activity(offer).0 {
            _ if self.listed == Listed::No => Standing::Removed,
            AgentActivity::Talking | AgentActivity::Held => Standing::Talking,
            AgentActivity::Ringing => Standing::Ringing,
            AgentActivity::Supervising => Standing::Supervising,
            AgentActivity::WrapUp => Standing::WrapUp,
            AgentActivity::Unreachable | AgentActivity::Idle => match &self.state {
                AgentState::Offline => Standing::Offline,
                AgentState::Busy => Standing::Busy,
                AgentState::Break { .. } => Standing::Break,
                AgentState::Ready if !self.reachable => Standing::Unreachable,
                AgentState::Ready => Standing::Resting,
            },
        }
    }

    /// What the agent is seen doing, and in which call. `offer` is the agent's own, if it has one.
    pub(crate) fn activity(&self, offer: Option<&Offer>) -> (AgentActivity, Option<CallId>) {
        if let Some(Offer { state: OfferState::Talking { held, .. }, call, .. }) = offer {
            let activity = if *held { AgentActivity::Held } else { AgentActivity::Talking };
            return (activity, Some(*call));
        }
        // Of several calls the one that the agent talks in, else the latest.
        let talks = |o: &&Occupation| o.engaged == Engaged::Talking;
        if let Some(occupation) = self.occupied.iter().rfind(talks).or(self.occupied.last()) {
            let activity = match occupation.engaged {
                Engaged::Ringing => AgentActivity::Ringing,
                Engaged::Talking => AgentActivity::Talking,
                Engaged::Held => AgentActivity::Held,
                Engaged::Supervising => AgentActivity::Supervising,
            };
            return (activity, Some(occupation.call));
        }
        if let Some(offer) = offer {
            return (AgentActivity::Ringing, Some(offer.call));
        }
        if self.wrap_until.is_some() {
            (AgentActivity::WrapUp, None)
        } else if self.is_present() && !self.reachable {
            (AgentActivity::Unreachable, None)
        } else {
            (AgentActivity::Idle, None)
        }
    }
}

/// Whether reaching the agent depends on a registration.
pub(crate) fn has_phone(settings: &AgentSettings) -> bool {
    matches!(settings.target, DialTarget::Phone(_))
}
