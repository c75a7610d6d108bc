//! Owns calls told as events, for tests of this crate and of those that keep what it makes.

use std::time::Duration;

use clock::WallTime;
use model::event::{CallFact, Direction, Event, RecordingFact, Stamped};
use model::outcome::{CallResult, EntryOutcome, HungUpBy, Termination};
use model::say::Key;
use model::{
    AgentId, CallId, EntryId, FlowName, HotlineNumber, IdGen, LegId, OfferId, QueueName, RecordingId,
    TenantId, TrunkName,
};

/// 2026-11-22T09:30:00+08:00.
pub const START: WallTime = WallTime(1_795_311_000_000_000);

/// Tells events one after the other.
pub struct Story {
    /// What was told.
    pub events: Vec<Stamped>,
    /// Whose calls.
    pub tenant: TenantId,
    at: WallTime,
    ids: IdGen,
}

impl Default for Story {
    fn default() -> Story {
        let ids = IdGen::new(0, 0, START.as_secs());
        Story { events: Vec::new(), tenant: TenantId::default(), at: START, ids }
    }
}

impl Story {
    /// Lets time pass.
    pub fn wait(&mut self, millis: u64) -> &mut Story {
        self.at = self.at + Duration::from_millis(millis);
        self
    }

    /// The time of the next event.
    pub fn now(&self) -> WallTime {
        self.at
    }

    /// A new id.
    pub fn mint<T: From<u64>>(&mut self) -> T {
        self.ids.mint()
    }

    /// Tells any event.
    pub fn tell(&mut self, event: Event) -> &mut Story {
        let seq = self.events.last().map_or(1, |last| last.seq + 1);
        self.events.push(Stamped { seq, at: self.at, event });
        self
    }

    /// Tells a fact of a call.
    pub fn fact(&mut self, call: CallId, fact: CallFact) -> &mut Story {
        let tenant = self.tenant.clone();
        self.tell(Event::Call { tenant, call, fact })
    }

    /// A call from trunk `telecom` to 4008001234 that the switch has answered.
    pub fn begin(&mut self, caller: &str) -> CallId {
        let call: CallId = self.mint();
        let leg: LegId = self.mint();
        let number = HotlineNumber::new(&self.tenant, "4008001234");
        let began = CallFact::Began {
            direction: Direction::In,
            trunk: Some(TrunkName::new("telecom")),
            // invariant: a literal.
            source: std::net::SocketAddr::from(([127, 0, 0, 2], 5060)),
            caller: caller.into(),
            caller_raw: format!("+86{caller}").into(),
            called: "4008001234".into(),
            sip_call_id: format!("{call}@carrier").into(),
            leg,
        };
        self.fact(call, began).fact(call, CallFact::Routed { number }).fact(call, CallFact::SwitchAnswered);
        call
    }

    /// The flow goes on to `node`.
    pub fn node(&mut self, call: CallId, node: &str) -> &mut Story {
        let flow = FlowName::new(&self.tenant, "main");
        self.fact(call, CallFact::NodeEntered { flow, node: node.into() })
    }

    /// The flow takes `key` at `menu`.
    pub fn key(&mut self, call: CallId, key: char) -> &mut Story {
        match Key::from_char(key) {
            Some(key) => self.fact(call, CallFact::KeyPressed { key, node: "menu".into() }),
            None => self,
        }
    }

    /// The caller takes a place in `queue`.
    pub fn queue(&mut self, call: CallId, queue: &str) -> EntryId {
        let entry: EntryId = self.mint();
        let queue = QueueName::new(&self.tenant, queue);
        self.fact(call, CallFact::Queued { entry, queue, priority: 0 });
        entry
    }

    /// `agent` is offered the call.
    pub fn offer(&mut self, call: CallId, entry: Option<EntryId>, agent: &str) -> OfferId {
        let offer: OfferId = self.mint();
        let offered = CallFact::Offered {
            offer,
            entry,
            agent: Some(AgentId::new(&self.tenant, agent)),
            party: agent.into(),
            reason: "最长空闲".into(),
        };
        self.fact(call, offered);
        offer
    }

    /// The offer is answered.
    pub fn answer(&mut self, call: CallId, offer: OfferId) -> &mut Story {
        let leg: LegId = self.mint();
        self.fact(call, CallFact::AgentAnswered { offer, leg })
    }

    /// The call ends normally.
    pub fn end(&mut self, call: CallId, result: CallResult, by: HungUpBy) -> &mut Story {
        self.fact(call, CallFact::Ended { result, by, cause: Termination::Normal })
    }

    /// The recording's file is complete.
    pub fn finish(&mut self, call: CallId, recording: RecordingId, millis: u64) -> &mut Story {
        let path = format!("recordings/2026/11/22/{call}.wav").into();
        let fact = RecordingFact::Finished {
            path,
            millis,
            bytes: millis * 16,
            sha256: "00".repeat(32).into(),
            shares: None,
        };
        let tenant = self.tenant.clone();
        self.tell(Event::Recording { tenant, call, recording, fact })
    }

    /// A whole call: menu, key 1, queue `sales`, 8001 rings, talks, holds once, leaves; survey; recording finished.
    /// It lasts 40 s: 3 s menu, 5 s wait of which 3 s ring, 20 s talk, 4 s hold, 8 s survey.
    pub fn answered_call(&mut self, caller: &str, agent: &str) -> CallId {
        let call = self.begin(caller);
        let recording: RecordingId = self.mint();
        self.wait(1_000).fact(call, CallFact::NoticePlayed).node(call, "menu");
        self.wait(2_000).key(call, '1').node(call, "sales");
        let entry = self.queue(call, "sales");
        self.wait(2_000);
        let offer = self.offer(call, Some(entry), agent);
        self.fact(call, CallFact::Ringing { offer }).wait(3_000).answer(call, offer);
        self.fact(call, CallFact::Dequeued { entry, outcome: EntryOutcome::Answered });
        self.fact(call, CallFact::RecordingBegan { recording });
        self.wait(500).fact(call, CallFact::Bridged { offer });
        self.wait(9_500).fact(call, CallFact::HoldBegan { by: HungUpBy::Agent });
        self.wait(4_000).fact(call, CallFact::HoldEnded { by: HungUpBy::Agent });
        let (by, cause) = (HungUpBy::Agent, Termination::Normal);
        self.wait(10_000).fact(call, CallFact::AgentLeft { offer, by, cause });
        self.fact(call, CallFact::RecordingEnded { recording }).node(call, "survey");
        self.fact(call, CallFact::SurveyAsked { node: "survey".into() }).wait(8_000);
        if let Some(key) = Key::from_char('1') {
            self.fact(call, CallFact::SurveyAnswered { key, label: "满意".into() });
        }
        self.end(call, CallResult::Answered, HungUpBy::Switch);
        self.wait(300).finish(call, recording, 24_000);
        call
    }
}
