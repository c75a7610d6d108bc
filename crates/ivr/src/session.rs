//! Owns one caller's way through one flow. Does not own the flow's shape (see `flow`) or what parks it (see `call`).
//!
//! ```text
//!            1 Begin                       2 nothing to say
//!  Waiting ───────────► enter a node ◄──────────────────────────┐
//!                        │   │   │                              │
//!          3 Play        │   │   └───── 4 menu, extension,      │
//!      ┌─────────────────┘   │             survey               │
//!      ▼                     │ 5 Enqueue, Dial   ▼              │
//!   Saying ──┐               │                 Asking ──────────┤ 8 key or number understood
//!      │     │ 6 Played,     ▼                 │  ▲             │
//!      │     │   key       Parked              │  │ 9 again     │
//!      │     └───────────────┼──────────┐      ▼  │             │
//!      │                     │ 7 Resumed│   Saying (wrong key, silence)
//!      ▼                     ▼          │      │ 10 last try failed
//!    Ended ◄── HangUp ── enter a node ◄─┴──────┘
//! ```
//!
//! A node is entered at once and says, asks, parks or leads on. A session that enters [`MAX_STEPS`] nodes without a
//! pause is cut, so a flow drawn as a ring cannot stop the switch.

mod ask;
mod park;
mod typed;

use std::collections::VecDeque;
use std::sync::Arc;

use clock::{Instant, Machine};
use model::event::CallFact;
use model::say::{Key, SayItem};

use crate::{Flow, Input, Interrupt, Node, NodeName, Output, Served};

use ask::Asking;
use typed::TypeAhead;

/// Nodes that a session may enter one after the other without playing, listening or being parked.
pub const MAX_STEPS: u32 = 100;

/// One caller in one flow, as plain data. It lives as long as the caller's leg.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Session {
    flow: Arc<Flow>,
    node: NodeName,
    state: State,
    /// When the silence that is being listened to ends.
    silence_at: Option<Instant>,
    typed: TypeAhead,
    last_play: u32,
    /// Nodes entered since the last pause.
    steps: u32,
    /// The caller's one rating.
    rating: Option<Key>,
    secrecy: Secrecy,
    #[serde(skip)]
    out: VecDeque<Output>,
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum State {
    /// The caller cannot hear yet.
    Waiting,
    /// A text plays.
    Saying { play: u32, interrupt: Interrupt, then: Then },
    /// A question was put; keys answer it.
    Asking(Asking),
    /// Somebody else has the caller.
    Parked,
    /// The flow is over.
    Ended,
}

/// Whether what the caller keys may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Secrecy {
    Open,
    Secret,
}

/// What follows a text.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Then {
    /// On to this node, or hang up as served.
    Go(Option<NodeName>),
    /// The recording notice was the text: tell it, then go on.
    NoticeThenGo(Option<NodeName>),
    /// Ask again, for the `asked`-th time.
    Ask { asked: u8 },
    /// The last try failed.
    GiveUp(Option<NodeName>),
    /// Hand the caller to what the node names.
    Park,
}

/// How a text ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    ToItsEnd,
    InPart,
}

impl Session {
    /// A caller who will enter `flow` at its start by [`Input::Begin`].
    pub fn new(flow: Arc<Flow>) -> Session {
        Session {
            node: flow.start.clone(),
            flow,
            state: State::Waiting,
            silence_at: None,
            typed: TypeAhead::default(),
            last_play: 0,
            steps: 0,
            rating: None,
            secrecy: Secrecy::Open,
            out: VecDeque::new(),
        }
    }

    /// The flow the caller is in; a reload does not change it.
    pub fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// The node the caller is at.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Whether a queue or a dialled party has the caller.
    pub fn is_parked(&self) -> bool {
        self.state == State::Parked
    }

    /// Whether the flow is over.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn key_pressed(&mut self, now: Instant, key: Key) {
        match &self.state {
            State::Waiting | State::Parked | State::Ended => {}
            State::Saying { interrupt: Interrupt::Never, .. } => self.typed.push(key),
            State::Saying { play, interrupt: Interrupt::ByKey, .. } => {
                self.out.push_back(Output::StopPlay { play: *play });
                self.typed.push(key);
                self.said(now, Heard::InPart);
            }
            State::Asking(asking) => {
                if let Some(play) = asking.playing {
                    self.out.push_back(Output::StopPlay { play });
                }
                self.answer(now, key);
            }
        }
    }

    fn play_ended(&mut self, now: Instant, play: u32, heard: Heard) {
        match &mut self.state {
            State::Saying { play: current, .. } if *current == play => self.said(now, heard),
            State::Asking(asking) if asking.playing == Some(play) => {
                asking.playing = None;
                self.listen(now);
            }
            // A playing that was stopped reports its end when the session is elsewhere already.
            _ => {}
        }
    }

    /// The text of the present state is over.
    fn said(&mut self, now: Instant, heard: Heard) {
        let State::Saying { then, .. } = std::mem::replace(&mut self.state, State::Waiting) else { return };
        match then {
            Then::Go(next) => self.go(now, next, Served::ByMenu),
            Then::NoticeThenGo(next) => {
                if heard == Heard::ToItsEnd {
                    self.out.push_back(Output::Fact(CallFact::NoticePlayed));
                }
                self.go(now, next, Served::ByMenu);
            }
            Then::Ask { asked } => self.ask(now, asked),
            Then::GiveUp(failed) => self.go(now, failed, Served::GaveUp),
            Then::Park => self.park(),
        }
    }

    /// Enters `next`, or hangs up when the flow names nothing.
    fn go(&mut self, now: Instant, next: Option<NodeName>, served: Served) {
        match next {
            Some(node) => self.enter(now, node),
            None => self.hang_up(served),
        }
    }

    fn enter(&mut self, now: Instant, name: NodeName) {
        self.silence_at = None;
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return self.fail(format!(
                "流程空转：连续 {MAX_STEPS} 个节点没有放音或等待 / the flow runs in a ring: {MAX_STEPS} nodes without a pause"
            ));
        }
        let flow = self.flow.clone();
        let Some(node) = flow.nodes.get(&name) else {
            return self.fail(format!("节点「{name}」不存在 / there is no node «{name}»"));
        };
        self.node = name;
        self.keep_to(if node.is_secret() { Secrecy::Secret } else { Secrecy::Open });
        self.out.push_back(Output::Fact(CallFact::NodeEntered {
            flow: flow.name.clone(),
            node: self.node.clone(),
        }));
        match node {
            Node::Play { say, interrupt, notice, next } => {
                // An empty text is not a notice that anybody heard.
                let then = match (*notice, say.is_empty()) {
                    (true, false) => Then::NoticeThenGo(next.clone()),
                    _ => Then::Go(next.clone()),
                };
                self.say(now, say, *interrupt, then);
            }
            Node::Menu { .. } | Node::DialExtension { .. } => self.ask(now, 1),
            Node::Survey { next, .. } => {
                // R29: one result per call.
                if self.rating.is_some() {
                    return self.go(now, next.clone(), Served::ByMenu);
                }
                self.out.push_back(Output::Fact(CallFact::SurveyAsked { node: self.node.clone() }));
                self.ask(now, 1);
            }
            Node::Queue { say, .. }
            | Node::Dial { say, .. }
            | Node::Conference { say, .. }
            | Node::Voicemail { say, .. }
            | Node::Mailbox { say, .. } => {
                self.say(now, say, Interrupt::Never, Then::Park);
            }
            Node::Hangup { say } => self.say(now, say, Interrupt::Never, Then::Go(None)),
        }
    }

    /// Plays `items`, unless there are none or a key typed early has already cut them.
    fn say(&mut self, now: Instant, items: &[SayItem], interrupt: Interrupt, then: Then) {
        let cut = interrupt == Interrupt::ByKey && !self.typed.is_empty();
        if items.is_empty() || cut {
            self.state = State::Saying { play: 0, interrupt, then };
            return self.said(now, Heard::InPart);
        }
        let play = self.play(items);
        self.state = State::Saying { play, interrupt, then };
    }

    fn play(&mut self, items: &[SayItem]) -> u32 {
        self.steps = 0;
        self.last_play += 1;
        self.out.push_back(Output::Play { play: self.last_play, items: items.to_vec() });
        self.last_play
    }

    fn keep_to(&mut self, secrecy: Secrecy) {
        if self.secrecy != secrecy {
            self.secrecy = secrecy;
            self.out.push_back(match secrecy {
                Secrecy::Secret => Output::Mask,
                Secrecy::Open => Output::Unmask,
            });
        }
    }

    fn fail(&mut self, error: String) {
        self.out.push_back(Output::Fact(CallFact::FlowFailed {
            node: self.node.clone(),
            error: Arc::from(error),
        }));
        self.hang_up(Served::GaveUp);
    }

    fn hang_up(&mut self, served: Served) {
        self.state = State::Ended;
        self.silence_at = None;
        self.typed.clear();
        self.keep_to(Secrecy::Open);
        self.out.push_back(Output::HangUp { served });
    }
}

impl Machine for Session {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Begin => {
                if self.state == State::Waiting {
                    let start = self.flow.start.clone();
                    self.enter(now, start);
                }
            }
            Input::Key(key) => self.key_pressed(now, key),
            Input::Played { play } => self.play_ended(now, play, Heard::ToItsEnd),
            Input::NotPlayed { play } => self.play_ended(now, play, Heard::InPart),
            Input::Resumed(parked) => self.resumed(now, parked),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.silence_at.is_some_and(|at| at <= now) {
            self.silence_at = None;
            self.silence(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() {
            // A caller who talks asks nothing of the flow for long.
            self.out = VecDeque::new();
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.silence_at
    }
}

#[cfg(test)]
mod tests;
