//! Owns a call whose caller is in a conference: its port is in the conference's room, its keys go there. Does not own
//! the conference (see `conference`).

use media::command::Command;
use model::event::CallFact;
use model::outcome::HungUpBy;
use model::say::Key;
use model::{CallId, ConferenceName};

use super::{Call, PortIs, Stage};
use crate::conference::{ConferenceInput, Joining, MemberWord, Parting, Role};
use crate::context::{Context, Route};

impl Call {
    /// A `Conference` node: to the conference's door.
    pub(super) fn confer(&mut self, context: &mut Context<'_>, name: &ConferenceName) {
        let profile = self.settings.plan.conferences.get(name).cloned();
        let (Some(profile), Some(leg)) = (profile, self.caller.as_ref().map(|caller| caller.id)) else {
            return self.resume_flow(context, ivr::Parked::NotConferred);
        };
        self.answer_caller(context);
        let agent = self.facts.calling_phone.as_ref().and_then(|aor| {
            let target = model::DialTarget::Phone(aor.clone());
            self.settings.agent_at(&self.tenant, &target)
        });
        let moderates = agent.as_ref().is_some_and(|agent| profile.moderators.contains(agent));
        let role = if moderates { Role::Moderator } else { Role::Participant };
        self.stage = Stage::Conferring { conference: None };
        self.port = PortIs::SentOut;
        context.routes.push(Route::Visits(leg));
        let (call, who, language) = (self.id, self.facts.caller.clone(), self.settings.language);
        let joining = Joining { profile, call, leg, who, role, language };
        context.confer(ConferenceInput::Join(Box::new(joining)));
    }

    /// What the conference says.
    pub fn on_conference(&mut self, context: &mut Context<'_>, word: MemberWord) {
        let Stage::Conferring { conference } = &mut self.stage else { return };
        match word {
            MemberWord::In { conference: joined } => {
                *conference = Some(joined);
                self.fact(context, CallFact::ConferenceJoined { conference: joined });
            }
            MemberWord::Over(parting) => {
                if let Some(conference) = conference.take() {
                    self.fact(context, CallFact::ConferenceLeft { conference });
                }
                let why = refused_in_words(parting).map(str::to_owned);
                self.note_reason(context, HungUpBy::Switch, why);
                let how = match parting {
                    Parting::Ended => ivr::Parked::Conferred,
                    Parting::WrongPin | Parting::Locked | Parting::Full => ivr::Parked::NotConferred,
                };
                self.resume_flow(context, how);
            }
        }
        self.settle(context);
    }

    pub(super) fn on_conference_key(&mut self, context: &mut Context<'_>, key: Key) {
        context.confer(ConferenceInput::Key { call: self.id, key });
    }

    /// The caller hung up, or the call ends otherwise.
    pub(super) fn leave_conference(&self, context: &mut Context<'_>, conference: Option<CallId>) {
        context.confer(ConferenceInput::Left { call: self.id });
        if let Some(conference) = conference {
            self.fact(context, CallFact::ConferenceLeft { conference });
        }
        // It is in the conference's room, which does not end with ours.
        if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
            context.media(Command::ClosePort { port });
        }
    }
}

/// Why somebody did not come in, for the record.
fn refused_in_words(parting: Parting) -> Option<&'static str> {
    match parting {
        Parting::Ended => None,
        Parting::WrongPin => Some("会议密码不对 / wrong conference PIN"),
        Parting::Locked => Some("会议已锁定 / the conference is locked"),
        Parting::Full => Some("会议已满 / the conference is full"),
    }
}
