//! Owns nodes that hand the caller to somebody, and where their outcomes lead. Does not own queues or phones.

use clock::Instant;
use model::DialTarget;

use super::{Secrecy, Session, State};
use crate::{AnswerRule, BoundPhone, Node, Output, Parked, Served};

impl Session {
    /// Hands the caller to the present node's queue or phones. Keys typed before are forgotten: they were not meant
    /// for a menu that comes after a conversation.
    pub(super) fn park(&mut self) {
        let flow = self.flow.clone();
        match flow.nodes.get(&self.node) {
            Some(Node::Queue { queue, priority, .. }) => {
                self.park_with(Output::Enqueue { queue: queue.clone(), priority: *priority });
            }
            Some(Node::Dial { phones, rule, .. }) => {
                self.park_with(Output::Dial { phones: phones.clone(), rule: *rule });
            }
            Some(Node::Conference { conference, .. }) => {
                self.park_with(Output::Confer { conference: conference.clone() });
            }
            Some(Node::Voicemail { mailbox, .. }) => {
                self.park_with(Output::TakeMessage { mailbox: mailbox.clone() });
            }
            Some(Node::Mailbox { mailbox, .. }) => {
                self.park_with(Output::OpenMailbox { mailbox: mailbox.clone() });
            }
            // Only these say a text before they park.
            _ => self.hang_up(Served::GaveUp),
        }
    }

    /// Rings one extension.
    pub(super) fn dial_extension(&mut self, target: DialTarget, ring: std::time::Duration) {
        let phones = vec![BoundPhone { target, ring }];
        self.park_with(Output::Dial { phones, rule: AnswerRule::InOrder });
    }

    fn park_with(&mut self, wish: Output) {
        self.typed.clear();
        self.silence_at = None;
        self.steps = 0;
        self.state = State::Parked;
        self.keep_to(Secrecy::Open);
        self.out.push_back(wish);
    }

    pub(super) fn resumed(&mut self, now: Instant, outcome: Parked) {
        if self.state != State::Parked {
            return;
        }
        let flow = self.flow.clone();
        let next = match flow.nodes.get(&self.node) {
            Some(Node::Queue { next, timeout, full, no_agent, .. }) => match outcome {
                Parked::PartyLeft => next,
                Parked::TimedOut => timeout,
                Parked::Full => full,
                Parked::NoAgent => no_agent,
                Parked::Unanswered
                | Parked::Conferred
                | Parked::NotConferred
                | Parked::MessageLeft
                | Parked::NoMessage
                | Parked::MailboxClosed
                | Parked::Failed => &None,
            },
            Some(Node::Dial { next, failed, .. } | Node::DialExtension { next, failed, .. }) => match outcome
            {
                Parked::PartyLeft | Parked::MessageLeft => next,
                _ => failed,
            },
            Some(Node::Conference { next, failed, .. }) => match outcome {
                Parked::Conferred => next,
                _ => failed,
            },
            Some(Node::Voicemail { next, failed, .. }) => match outcome {
                Parked::MessageLeft => next,
                _ => failed,
            },
            Some(Node::Mailbox { next, .. }) => next,
            _ => &None,
        };
        let served = match outcome {
            Parked::PartyLeft | Parked::Conferred | Parked::MessageLeft | Parked::MailboxClosed => {
                Served::ByMenu
            }
            _ => Served::GaveUp,
        };
        self.go(now, next.clone(), served);
    }
}
