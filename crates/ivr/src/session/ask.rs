//! Owns questions: menus, extensions and surveys ask, listen, and ask again. Does not own where answers lead.

use clock::Instant;
use model::event::CallFact;
use model::say::{Key, SayItem};

use super::{Secrecy, Session, State, Then};
use crate::{Interrupt, Node, Output, Served};

/// A question that was put.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Asking {
    /// Its text, while it plays.
    pub(super) playing: Option<u32>,
    /// How often it was put, this time included.
    asked: u8,
    /// The digits of an extension so far.
    digits: String,
}

/// Why a try failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Miss {
    WrongKey,
    Silence,
}

impl Session {
    /// Puts the present node's question for the `asked`-th time; keys typed early answer it unheard.
    pub(super) fn ask(&mut self, now: Instant, asked: u8) {
        let flow = self.flow.clone();
        let say = match flow.nodes.get(&self.node) {
            Some(Node::Menu { say, .. } | Node::DialExtension { say, .. } | Node::Survey { say, .. }) => say,
            _ => return self.hang_up(Served::GaveUp),
        };
        let playing = if self.typed.is_empty() && !say.is_empty() { Some(self.play(say)) } else { None };
        self.state = State::Asking(Asking { playing, asked, digits: String::new() });
        if playing.is_none() {
            self.answer_or_listen(now);
        }
    }

    /// The text is over or there is none: silence counts from now.
    pub(super) fn listen(&mut self, now: Instant) {
        let timeout = match self.flow.nodes.get(&self.node) {
            Some(
                Node::Menu { timeout, .. }
                | Node::DialExtension { timeout, .. }
                | Node::Survey { timeout, .. },
            ) => *timeout,
            _ => return,
        };
        self.steps = 0;
        self.silence_at = Some(now + timeout);
    }

    /// Takes `key` as the answer, or a part of it.
    pub(super) fn answer(&mut self, now: Instant, key: Key) {
        let State::Asking(asking) = &mut self.state else { return };
        asking.playing = None;
        self.silence_at = None;
        let flow = self.flow.clone();
        match flow.nodes.get(&self.node) {
            Some(Node::Menu { keys, .. }) => match keys.get(&key) {
                Some(next) => {
                    self.key_used(key);
                    self.enter(now, next.clone());
                }
                None => self.missed(now, Miss::WrongKey),
            },
            Some(Node::Survey { keys, thanks, next, .. }) => match keys.get(&key) {
                Some(label) => {
                    self.key_used(key);
                    self.rating = Some(key);
                    self.out.push_back(Output::Fact(CallFact::SurveyAnswered { key, label: label.clone() }));
                    self.say(now, thanks, Interrupt::Never, Then::Go(next.clone()));
                }
                None => self.missed(now, Miss::WrongKey),
            },
            Some(Node::DialExtension { max_digits, extensions, .. }) => {
                self.key_used(key);
                let State::Asking(asking) = &mut self.state else { return };
                let ends = key.as_char() == '#';
                if !ends {
                    asking.digits.push(key.as_char());
                }
                let digits = asking.digits.as_str();
                // Nothing longer begins with these digits, so there is nothing to wait for.
                let unmistakable = extensions.contains_key(digits)
                    && !extensions.keys().any(|e| e.len() > digits.len() && e.starts_with(digits));
                if ends || unmistakable || digits.len() >= usize::from((*max_digits).max(1)) {
                    self.number_ended(now);
                } else {
                    self.answer_or_listen(now);
                }
            }
            _ => self.hang_up(Served::GaveUp),
        }
    }

    /// A key typed early is the next answer; without one, silence counts.
    fn answer_or_listen(&mut self, now: Instant) {
        match self.typed.take() {
            Some(key) => self.answer(now, key),
            None => self.listen(now),
        }
    }

    /// The silence that was listened to is over.
    pub(super) fn silence(&mut self, now: Instant) {
        match &self.state {
            State::Asking(asking) if !asking.digits.is_empty() => self.number_ended(now),
            State::Asking(_) => self.missed(now, Miss::Silence),
            _ => {}
        }
    }

    fn number_ended(&mut self, now: Instant) {
        let State::Asking(asking) = &self.state else { return };
        let flow = self.flow.clone();
        let Some(Node::DialExtension { extensions, ring, .. }) = flow.nodes.get(&self.node) else { return };
        match extensions.get(asking.digits.as_str()) {
            Some(target) => self.dial_extension(target.clone(), *ring),
            None => self.missed(now, Miss::WrongKey),
        }
    }

    /// A try failed: says why, and asks again or gives up.
    fn missed(&mut self, now: Instant, miss: Miss) {
        let State::Asking(asking) = &self.state else { return };
        let asked = asking.asked;
        let flow = self.flow.clone();
        let nothing: &[SayItem] = &[];
        let (text, tries, failed) = match flow.nodes.get(&self.node) {
            Some(Node::Menu { invalid, silence, tries, failed, .. }) => {
                let text = if miss == Miss::WrongKey { invalid } else { silence };
                (text.as_slice(), *tries, Then::GiveUp(failed.clone()))
            }
            Some(Node::DialExtension { invalid, tries, failed, .. }) => {
                let text = if miss == Miss::WrongKey { invalid.as_slice() } else { nothing };
                (text, *tries, Then::GiveUp(failed.clone()))
            }
            // A caller who does not rate was served all the same.
            Some(Node::Survey { invalid, tries, next, .. }) => {
                let text = if miss == Miss::WrongKey { invalid.as_slice() } else { nothing };
                (text, *tries, Then::Go(next.clone()))
            }
            _ => return self.hang_up(Served::GaveUp),
        };
        // What was typed behind a wrong key was meant for a place the caller did not reach.
        self.typed.clear();
        self.silence_at = None;
        let then = if asked < tries { Then::Ask { asked: asked + 1 } } else { failed };
        self.say(now, text, Interrupt::ByKey, then);
    }

    fn key_used(&mut self, key: Key) {
        if self.secrecy == Secrecy::Secret {
            return;
        }
        self.out.push_back(Output::Fact(CallFact::KeyPressed { key, node: self.node.clone() }));
    }
}
