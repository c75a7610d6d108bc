//! Owns the way between calls and conferences: the node's first shard has the conferences, the others write to it. Does
//! not own what a conference does (see `crate::conference`).

use clock::{Instant, Machine};
use model::CallId;

use super::Shard;
use crate::Output;
use crate::conference::{ConferenceInput, ConferenceOutput, ConferenceView, MemberWord};
use crate::visit::{Letter, Word};

impl Shard {
    /// The conferences of the node; None on other shards than the first.
    pub fn conferences(&self) -> impl Iterator<Item = ConferenceView> + '_ {
        self.conferences.iter().flat_map(|conferences| conferences.views())
    }

    /// What a call or an operator wants of a conference.
    pub(super) fn confer(&mut self, now: Instant, input: ConferenceInput) {
        match &mut self.conferences {
            Some(conferences) => {
                conferences.handle(now, input);
                self.drain_conferences();
            }
            None => self.out.push_back(Output::Conference(input)),
        }
    }

    pub(super) fn conferences_on(&mut self, now: Instant) {
        if let Some(conferences) = &mut self.conferences
            && conferences.poll_timeout().is_some_and(|due| due <= now)
        {
            conferences.handle_timeout(now);
            self.drain_conferences();
        }
    }

    /// A conference's word for a call of ours.
    pub(super) fn told_by_conference(&mut self, call: CallId, word: MemberWord) {
        self.letters.push_back(Letter::ToCall(call, Word::Conference(word)));
    }

    fn drain_conferences(&mut self) {
        let Some(conferences) = &mut self.conferences else { return };
        while let Some(output) = conferences.poll_output() {
            match output {
                ConferenceOutput::Media(command) => self.out.push_back(Output::Media(command)),
                ConferenceOutput::Event(event) => self.out.push_back(Output::Event(event)),
                ConferenceOutput::Tell { call, word } if self.calls.contains_key(&call) => {
                    self.letters.push_back(Letter::ToCall(call, Word::Conference(word)));
                }
                ConferenceOutput::Tell { call, word } => {
                    self.out.push_back(Output::ToldByConference { call, word });
                }
            }
        }
    }
}
