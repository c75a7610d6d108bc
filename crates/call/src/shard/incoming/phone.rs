//! Owns what one of our phones dialled: a feature code, a colleague, a queue, a hotline number of its tenant, an outside
//! number. Does not own the number plan (see `routing`).

use std::sync::Arc;

use clock::Instant;
use media::command::Peer;
use model::diversion::{Disturb, Diversion};
use model::event::{AgentState, Direction, Event, PhoneFact};
use model::night::Turn;
use model::outcome::CallResult;
use model::supervision::Verb;
use model::voicemail::MailboxFact;
use model::{AgentId, Aor, ConferenceName, DialTarget, MailboxName, QueueName};
use routing::{
    AnswerMode, Barred, Destination, DestinationKind, Dialled, Feature, Holder, Hours, NoWayOut, Number,
    OutboundFacts, Outside, Phone, RecordPolicy, Verdict,
};
use sip::Request;
use sip::endpoint::Flow;
use sip::transaction::ServerTx;

use super::{Newborn, Newcomer, Refused, Shard, Welcome};
use crate::call::{CallPlan, CallerIs, Echo};
use crate::context::{Place, PlaceOf};
use crate::leg::MediaTerms;
use crate::{Output, dialled, identity};

/// What a phone wants.
enum Wish {
    Code(Feature, Arc<str>),
    Colleague(DialTarget),
    Queue(QueueName),
    Number(Box<Number>),
    Outside(Outside),
    Supervise(Verb, Box<str>),
    PickUp(Place),
    Conference(ConferenceName),
    LeaveMessage(MailboxName),
    Mailbox(MailboxName),
}

impl Shard {
    pub(super) fn on_phone_invite(
        &mut self,
        now: Instant,
        tx: ServerTx,
        flow: Flow,
        request: &Request,
        phone: &Phone,
    ) {
        // A phone is who its password says, never whom it asserts.
        let caller = identity::own(request);
        let user = request.uri.user().unwrap_or_default().into_owned();
        let wish = self.wish_of(phone, &user);
        let number = match &wish {
            Ok(Wish::Number(number)) => Some(number.number.clone()),
            _ => None,
        };
        let outside = matches!(wish, Ok(Wish::Outside(_)));
        let newborn = Newborn {
            tenant: phone.tenant.clone(),
            direction: if outside { Direction::Out } else { Direction::Internal },
            trunk: None,
            number,
            caller: Arc::from(phone.aor.user()),
            withheld: None,
            called: &user,
            holder: Holder::Phone(phone.aor.clone()),
        };
        let mut newcomer = self.newcomer(flow, request, newborn);
        newcomer.facts.calling_phone = Some(phone.aor.clone());
        newcomer.facts.shows = phone.caller.clone();
        newcomer.facts.caller_is = if outside { CallerIs::Ours } else { CallerIs::Customer };
        self.began(&newcomer, &caller);
        let own = self.router.phone_of(&caller.user(), caller.host());
        let welcome = if own.is_some_and(|own| own.aor == phone.aor) {
            match self.replaces(&newcomer) {
                Ok(Some(place)) => self.welcome_to_place(now, phone, place, &newcomer),
                Ok(None) => wish.and_then(|wish| self.welcome_from_phone(now, phone, wish, &newcomer)),
                Err(refused) => Err(refused),
            }
        } else {
            self.out.push_back(Output::Counted("foreign_identity"));
            Err(Refused::because(
                403,
                CallResult::Failure,
                "主叫身份与注册不符 / not the phone's own identity",
            ))
        };
        match welcome {
            Ok(welcome) => self.born(now, tx, newcomer, welcome),
            Err(refused) => self.refused(now, tx, &newcomer, &refused),
        }
    }

    /// What `user` means, dialled by `phone`.
    fn wish_of(&self, phone: &Phone, user: &str) -> Result<Wish, Refused> {
        let callback;
        let (user, found) = match self.router.dialled(&phone.tenant, user) {
            Dialled::Feature(Feature::CallBack, _) => {
                let last = self.node.diversions.lock().last_caller(&phone.aor).cloned();
                let nobody =
                    || Refused::because(404, CallResult::NoSuchNumber, "没有来电记录 / nobody has called");
                callback = last.ok_or_else(nobody)?;
                (&*callback, self.router.number_called(&phone.tenant, &callback))
            }
            found => (user, found),
        };
        match found {
            Dialled::Feature(Feature::Supervise(verb), extension) => {
                Ok(Wish::Supervise(verb, extension.into()))
            }
            Dialled::Feature(Feature::PickUp, extension) => self.rung_beside(phone, Some(extension)),
            Dialled::Feature(Feature::PickUpInGroup, _) => self.rung_beside(phone, None),
            Dialled::Feature(feature @ (Feature::Voicemail | Feature::LeaveMessage), behind) => {
                self.mailbox_wish(phone, feature, behind)
            }
            Dialled::Conference(room) => Ok(Wish::Conference(room.name.clone())),
            Dialled::Feature(feature, argument) => Ok(Wish::Code(feature, Arc::from(argument))),
            Dialled::Phone(called) if called.aor == phone.aor => {
                Err(Refused::because(486, CallResult::Busy, "拨打的是本机号码 / a phone cannot call itself"))
            }
            Dialled::Phone(called) => Ok(Wish::Colleague(DialTarget::Phone(called.aor.clone()))),
            Dialled::Queue(queue) => Ok(Wish::Queue(queue.clone())),
            Dialled::Number(number) => Ok(Wish::Number(Box::new(number.clone()))),
            found => match (self.settings.agents.get(&AgentId::new(&phone.tenant, user)), found) {
                // An agent who is reached elsewhere: a mobile, a fixed address.
                (Some(target), _) => Ok(Wish::Colleague(target.clone())),
                (None, Dialled::Outside(outside)) => Ok(Wish::Outside(outside)),
                (None, Dialled::NoTrunk) => {
                    Err(Refused::because(404, CallResult::Failure, NoWayOut::NoTrunk))
                }
                (None, _) => Err(Refused::because(404, CallResult::NoSuchNumber, NoWayOut::NoNumber)),
            },
        }
    }

    /// A mailbox: to hear it, or to leave a message there.
    fn mailbox_wish(&self, phone: &Phone, feature: Feature, behind: &str) -> Result<Wish, Refused> {
        let mailbox = self.settings.plan.mailbox_dialled(Some(phone), &phone.tenant, behind);
        let nothing =
            || Refused::because(404, CallResult::NoSuchNumber, "没有这个信箱 / there is no such mailbox");
        let mailbox = mailbox.ok_or_else(nothing)?;
        Ok(match feature {
            Feature::LeaveMessage => Wish::LeaveMessage(mailbox.name.clone()),
            _ => Wish::Mailbox(mailbox.name.clone()),
        })
    }

    /// Whether `phone` may hear a mailbox, if it knows the PIN: one without a PIN is heard from its own phones alone.
    fn permit_mailbox(&mut self, phone: &Phone, name: &MailboxName) -> Result<(), Refused> {
        let mailbox = self.settings.plan.mailboxes.get(name);
        if phone.mailbox.as_ref() == Some(name) || mailbox.is_some_and(|mailbox| mailbox.pin.is_some()) {
            return Ok(());
        }
        let why = "不是本机的信箱, 也没有密码 / another phone's mailbox, without a PIN";
        let fact = MailboxFact::Refused { by: Arc::from(phone.aor.user()), why: Arc::from(why) };
        self.out.push_back(Output::Event(Event::Mailbox { mailbox: name.clone(), fact }));
        Err(Refused::because(403, CallResult::Barred, why))
    }

    /// Whatever it dials, it has a place in another call; that call occupies its agent.
    fn welcome_to_place(
        &mut self,
        now: Instant,
        phone: &Phone,
        place: Place,
        newcomer: &Newcomer<'_>,
    ) -> Result<Welcome, Refused> {
        Ok(Welcome {
            plan: CallPlan::taking(&phone.tenant, place),
            media: MediaTerms::of(&phone.media),
            peer: Peer::Phone { signals_from: newcomer.flow.remote.ip() },
            reliable: phone.reliable,
            ticket: self.admit(now, None)?,
            occupies: None,
        })
    }

    /// The call for which a phone rings that `phone` may pick up for (R36): that extension, or of several the one that began
    /// first.
    fn rung_beside(&self, phone: &Phone, extension: Option<&str>) -> Result<Wish, Refused> {
        let plan = &self.settings.plan;
        let is_meant = |aor: &Aor| {
            let rung = plan.phones.iter().find(|other| other.aor == *aor);
            rung.is_some_and(|other| phone.picks_up_for(other))
                && extension.is_none_or(|extension| aor.user() == extension)
        };
        let calls = self.calls.iter().filter(|(_, slot)| {
            slot.call.tenant == phone.tenant && slot.call.facts.calling_phone.as_ref() != Some(&phone.aor)
        });
        let is_meant = &is_meant;
        let places = calls.flat_map(|(id, slot)| {
            let rung = slot.call.rung_phones().filter(move |(aor, _)| is_meant(aor));
            rung.map(move |(_, offer)| (slot.call.began(), Place { call: *id, of: PlaceOf::Offer(offer) }))
        });
        let first = places.min_by_key(|(began, place)| (*began, place.call));
        let nothing = || {
            let why = "代接组内没有振铃的来电 / nothing rings in the pickup group";
            Refused::because(404, CallResult::Failure, why)
        };
        first.map(|(_, place)| Wish::PickUp(place)).ok_or_else(nothing)
    }

    fn welcome_from_phone(
        &mut self,
        now: Instant,
        phone: &Phone,
        wish: Wish,
        newcomer: &Newcomer<'_>,
    ) -> Result<Welcome, Refused> {
        self.permit(now, phone, &wish)?;
        let occupies = match &wish {
            // A feature code is over at once, and the call that is picked up occupies its agent itself.
            Wish::Code(feature, _) if *feature != Feature::Echo => None,
            Wish::PickUp(_) => None,
            _ => phone.agent.clone(),
        };
        let mut ticket = self.admit(now, None)?;
        let dialling = &self.settings.plan.dialling;
        let (inside, outside) = (dialling.record_inside, dialling.record_outside);
        let plan = |flow, answer, record| Ok(CallPlan { answer, record, ..CallPlan::through(flow) });
        let plan = match wish {
            Wish::Code(Feature::Night, argument) => {
                let turned = self.turn_by_code(now, phone, &argument);
                let beeps = |turn| if turn == Turn::On { 2 } else { 1 };
                turned.map(|turn| CallPlan::through(dialled::confirmation(&phone.tenant, beeps(turn))))
            }
            Wish::Code(feature, argument) => self.obey(now, phone, (feature, &argument)).map(|()| CallPlan {
                echo: if feature == Feature::Echo { Echo::On } else { Echo::Off },
                ..CallPlan::of_code(&phone.tenant)
            }),
            Wish::Colleague(target) => {
                let flow = dialled::extension(&phone.tenant, target, dialling.ring);
                plan(flow, AnswerMode::ByParty, inside)
            }
            Wish::Queue(queue) => plan(dialled::queue(queue), AnswerMode::AtOnce, inside),
            Wish::Conference(name) => {
                let flow = dialled::conference(&phone.tenant, name);
                plan(flow, AnswerMode::AtOnce, RecordPolicy::Off)
            }
            Wish::LeaveMessage(mailbox) => {
                plan(dialled::leave_message(mailbox), AnswerMode::AtOnce, RecordPolicy::Off)
            }
            Wish::Mailbox(mailbox) => plan(dialled::mailbox(mailbox), AnswerMode::AtOnce, RecordPolicy::Off),
            Wish::Supervise(verb, extension) => self
                .visit_by_code(phone, (verb, &extension), newcomer)
                .map(|visit| CallPlan { visits: Some(visit), ..CallPlan::of_code(&phone.tenant) }),
            Wish::PickUp(place) => Ok(CallPlan::taking(&phone.tenant, place)),
            Wish::Number(number) => self.plan_of(now, Some(&number), newcomer, &mut ticket),
            Wish::Outside(Outside { number, trunk }) => {
                let target = DialTarget::Trunk { trunk, number };
                let flow = dialled::extension(&phone.tenant, target, dialled::OUTSIDE_RINGS);
                plan(flow, AnswerMode::ByParty, outside)
            }
        };
        match plan {
            Ok(plan) => Ok(Welcome {
                plan,
                media: MediaTerms::of(&phone.media),
                peer: Peer::Phone { signals_from: newcomer.flow.remote.ip() },
                reliable: phone.reliable,
                ticket,
                occupies,
            }),
            Err(refused) => {
                self.node.admission.lock().release(ticket);
                Err(refused)
            }
        }
    }

    /// Whether the phone's class of service has what it dialled.
    fn permit(&mut self, now: Instant, phone: &Phone, wish: &Wish) -> Result<(), Refused> {
        let holder = Holder::Phone(phone.aor.clone());
        let verdict = match wish {
            Wish::Mailbox(name) => return self.permit_mailbox(phone, name),
            Wish::Code(..) | Wish::Supervise(..) | Wish::PickUp(_) | Wish::LeaveMessage(_) => Ok(()),
            Wish::Colleague(target) => self.permit_target(now, &holder, target),
            Wish::Queue(_) | Wish::Number(_) | Wish::Conference(_) => self.permit_inside(&holder),
            Wish::Outside(Outside { number, trunk }) => {
                let target = DialTarget::Trunk { trunk: trunk.clone(), number: number.clone() };
                self.permit_target(now, &holder, &target)
            }
        };
        verdict.map_err(|barred| Refused::because(403, CallResult::Barred, barred))
    }

    /// Whether the holder's class of service has `target`. What is counted, the call out itself asks for (see
    /// `Call::leg_out`).
    ///
    /// # Errors
    /// Why not.
    pub(in crate::shard) fn permit_target(
        &mut self,
        now: Instant,
        holder: &Holder,
        target: &DialTarget,
    ) -> Result<(), Barred> {
        let DialTarget::Trunk { trunk, number } = target else { return self.permit_inside(holder) };
        let plan = &self.settings.plan;
        let destination = Destination::of_number(number, plan.home_area_of(trunk));
        let minute_of_week = Hours::minute_of_week(self.anchor.wall(now), self.utc_offset);
        let facts = OutboundFacts { minute_of_week, ..OutboundFacts::default() };
        match plan.class_of(holder).permits(&destination, &facts) {
            Verdict::Permitted => Ok(()),
            Verdict::Barred(barred) => {
                self.out.push_back(Output::Counted(barred.as_str()));
                Err(barred)
            }
        }
    }

    fn permit_inside(&mut self, holder: &Holder) -> Result<(), Barred> {
        if self.settings.plan.class_of(holder).allow.contains(&DestinationKind::Internal) {
            return Ok(());
        }
        self.out.push_back(Output::Counted(Barred::Kind.as_str()));
        Err(Barred::Kind)
    }

    /// Does what a feature code says.
    fn obey(
        &mut self,
        now: Instant,
        phone: &Phone,
        (feature, argument): (Feature, &Arc<str>),
    ) -> Result<(), Refused> {
        match feature {
            // Calling back, supervising, picking up and the night switch have ways of their own.
            Feature::Echo
            | Feature::Night
            | Feature::Voicemail
            | Feature::LeaveMessage
            | Feature::CallBack
            | Feature::Supervise(_)
            | Feature::PickUp
            | Feature::PickUpInGroup => Ok(()),
            Feature::Ready => self.choose(phone, AgentState::Ready),
            Feature::Busy => self.choose(phone, AgentState::Busy),
            Feature::Pause => self.choose(phone, AgentState::Break { reason: Arc::from("小休") }),
            Feature::SignOut => self.choose(phone, AgentState::Offline),
            Feature::Forward(when) => {
                self.may_forward_to(now, phone, argument)?;
                self.divert(phone, |set| set.set(when, Some(argument.clone())));
                Ok(())
            }
            Feature::ForwardOff(when) => {
                self.divert(phone, |set| set.set(when, None));
                Ok(())
            }
            Feature::DoNotDisturb => {
                self.divert(phone, |set| set.disturb = Disturb::No);
                self.replace_state(phone, AgentState::Ready, AgentState::Busy);
                Ok(())
            }
            Feature::Disturb => {
                self.divert(phone, |set| set.disturb = Disturb::Yes);
                self.replace_state(phone, AgentState::Busy, AgentState::Ready);
                Ok(())
            }
        }
    }

    /// What a feature code asks of the ACD.
    fn choose(&mut self, phone: &Phone, state: AgentState) -> Result<(), Refused> {
        let nobody =
            || Refused::because(403, CallResult::Failure, "此话机没有坐席 / no agent uses this phone");
        let agent = phone.agent.clone().ok_or_else(nobody)?;
        let input = acd::Input::ChooseState { agent, state };
        self.out.push_back(Output::Acd { tenant: phone.tenant.clone(), input });
        Ok(())
    }

    /// Queues do not offer callers to a phone that is not to be disturbed; a state that was chosen meanwhile stands.
    fn replace_state(&mut self, phone: &Phone, from: AgentState, to: AgentState) {
        if let Some(agent) = phone.agent.clone() {
            let input = acd::Input::ReplaceState { agent, from, to };
            self.out.push_back(Output::Acd { tenant: phone.tenant.clone(), input });
        }
    }

    /// Whether `phone` may have its calls forwarded to what was dialled behind the code.
    fn may_forward_to(&mut self, now: Instant, phone: &Phone, to: &str) -> Result<(), Refused> {
        // RFC 3261 §21.4.22: a phone that can asks its user for the rest.
        if to.is_empty() {
            let why = "功能码后面要接号码 / a number belongs behind this code";
            return Err(Refused::because(484, CallResult::Failure, why));
        }
        if dialled::message_for(&self.router, Some(phone), &phone.tenant, to).is_some() {
            return Ok(());
        }
        let wish = match dialled::person(&self.router, &self.settings, &phone.tenant, to) {
            Some(DialTarget::Phone(aor)) if aor == phone.aor => {
                let why = "不能转移到本机 / a phone cannot forward to itself";
                return Err(Refused::because(482, CallResult::Failure, why));
            }
            Some(DialTarget::Trunk { trunk, number }) => Wish::Outside(Outside { number, trunk }),
            Some(target) => Wish::Colleague(target),
            None => {
                let why =
                    "只能转移到分机或外线号码 / only an extension or an outside number takes forwarded calls";
                return Err(Refused::because(404, CallResult::NoSuchNumber, why));
            }
        };
        self.permit(now, phone, &wish)
    }

    /// Changes what becomes of calls to `phone`: a fact, and kept over a restart.
    fn divert(&mut self, phone: &Phone, change: impl FnOnce(&mut Diversion)) {
        let diversion = self.node.diversions.lock().change(&phone.tenant, &phone.aor, change);
        let (tenant, aor) = (phone.tenant.clone(), phone.aor.clone());
        let fact = PhoneFact::Diverted { diversion };
        self.out.push_back(Output::Event(Event::Phone { tenant, aor, fact }));
    }
}
