//! Owns what a call cannot do by itself: give a leg a place in another call, find where somebody is to be sent, make two
//! calls one. Does not own what becomes of the legs (see `call`).

use std::sync::Arc;
use std::time::Duration;

use clock::Instant;
use ivr::Node;
use model::event::{Direction, TransferKind};
use model::outcome::CallResult;
use model::{AgentId, CallId, DialTarget, LegId, QueueName, TenantId};
use routing::{Dialled, Outside};
use sip::Uri;
use sip::headers::Replaces;
use sip::transaction::ServerTx;

use super::Shard;
use crate::Output;
use crate::call::{Aim, AimAt, Asked, Candidate, Departed, ESCALATE, Mover};
use crate::context::{Place, Wish};

/// How long the phone of a colleague rings to whom somebody is sent.
const TRANSFER_RINGS: Duration = Duration::from_secs(30);

/// An outside number takes longer to ring at all.
const OUTSIDE_RINGS: Duration = Duration::from_secs(60);

/// Why a call cannot be sent where an operator wants it, in words.
const NOBODY_TALKS: &str = "通话中没有可转接的话机 / no phone of ours talks in this call";
const LEADS_NOWHERE: &str = "该号码无法转接 / this leads nowhere";

impl Shard {
    /// Does what the call `id` asked for.
    pub(super) fn grant(&mut self, now: Instant, id: CallId, wish: Wish) {
        match wish {
            Wish::TakePlace(place) => self.take_place(now, id, place),
            Wish::Refer { leg, tx, to: _, replaces: Some(replaces) } => {
                if let Err(status) = self.join(now, (id, leg), tx, &replaces) {
                    self.out.push_back(crate::Output::Counted("transfer_declined"));
                    self.with_call(now, id, |call, cx| call.refuse_transfer(cx, leg, tx, status));
                }
            }
            Wish::Refer { leg, tx, to, replaces: None } => {
                let user = Uri::parse(to.as_bytes().to_vec())
                    .ok()
                    .and_then(|uri| uri.user().map(|user| user.into_owned()));
                let aim = user.ok_or(404).and_then(|user| self.taken_aim(id, &user));
                let asked = Asked { leg, tx: Some(tx), kind: TransferKind::Blind };
                self.with_call(now, id, |call, cx| match aim {
                    Ok(aim) => call.transfer(cx, asked, aim),
                    Err(status) => call.refuse_transfer(cx, leg, tx, status),
                });
            }
            Wish::TransferByKeys { leg, to, kind } => {
                let aim = self.taken_aim(id, &to);
                let asked = Asked { leg, tx: None, kind };
                self.with_call(now, id, |call, cx| match aim {
                    Ok(aim) => call.transfer(cx, asked, aim),
                    Err(_) => call.number_unknown(cx, leg),
                });
            }
        }
    }

    /// Whether an operator may send the call `id` to `to`.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn may_transfer(&self, id: CallId, to: &str) -> Result<(), Arc<str>> {
        let slot = self.calls.get(&id).filter(|slot| !slot.call.is_over());
        let slot = slot.ok_or_else(|| Arc::from("没有正在进行的通话 / no such call is up"))?;
        slot.call.transferor_for_operator().ok_or_else(|| Arc::from(NOBODY_TALKS))?;
        self.aim_of(id, to).map(drop).map_err(|_| Arc::from(LEADS_NOWHERE))
    }

    pub(super) fn transfer_by_operator(&mut self, now: Instant, id: CallId, to: &str) {
        let Ok(aim) = self.taken_aim(id, to) else { return };
        self.with_call(now, id, |call, cx| {
            if let Some(leg) = call.transferor_for_operator() {
                call.transfer(cx, Asked { leg, tx: None, kind: TransferKind::Blind }, aim);
            }
        });
    }

    fn aim_of(&self, id: CallId, to: &str) -> Result<Aim, u16> {
        let call = &self.calls.get(&id).ok_or(481_u16)?.call;
        if to == ESCALATE {
            let next = call.escalates_to().ok_or(404_u16)?;
            return self.aim(&call.tenant, &next);
        }
        self.aim(&call.tenant, to)
    }

    /// Where `to` leads for a transfer that begins: a step of the escalation path is taken by it.
    fn taken_aim(&mut self, id: CallId, to: &str) -> Result<Aim, u16> {
        let aim = self.aim_of(id, to)?;
        if to == ESCALATE
            && let Some(slot) = self.calls.get_mut(&id)
        {
            slot.call.note_escalation();
        }
        Ok(aim)
    }

    /// Where `to` leads in the dial plan of `tenant`, or `queue:NAME`.
    ///
    /// # Errors
    /// The status that says that it leads nowhere.
    fn aim(&self, tenant: &TenantId, to: &str) -> Result<Aim, u16> {
        let label: Arc<str> = Arc::from(to);
        if let Some(name) = to.strip_prefix("queue:") {
            let queue = QueueName::new(tenant, name);
            let known = self.settings.plan.queues.contains_key(&queue);
            return known.then_some(Aim { label, at: AimAt::Queue { queue, priority: 0 } }).ok_or(404);
        }
        let colleague = |target| AimAt::Phone { target, ring: TRANSFER_RINGS };
        let at = match self.router.dialled(tenant, to) {
            Dialled::Phone(phone) => colleague(DialTarget::Phone(phone.aor.clone())),
            Dialled::Queue(queue) => AimAt::Queue { queue: queue.clone(), priority: 0 },
            Dialled::Conference(room) => led_to(crate::dialled::conference(tenant, room.name.clone())),
            Dialled::Number(number) => {
                let flow = self.settings.flows.get(&number.flow).cloned().ok_or(500_u16)?;
                led_to(flow)
            }
            // A feature code is for the phone that dials it.
            Dialled::Feature(..) => return Err(603),
            found => match (self.settings.agents.get(&AgentId::new(tenant, to)), found) {
                (Some(target), _) => colleague(target.clone()),
                // Whether its class of service has the number, the call out itself asks.
                (None, Dialled::Outside(Outside { number, trunk })) => {
                    AimAt::Phone { target: DialTarget::Trunk { trunk, number }, ring: OUTSIDE_RINGS }
                }
                (None, _) => return Err(404),
            },
        };
        Ok(Aim { label, at })
    }

    /// The caller's leg of `from` has a place in another call, or is refused.
    fn take_place(&mut self, now: Instant, from: CallId, place: Place) {
        let tenant = self.calls.get(&from).map(|slot| slot.call.tenant.clone());
        let granted = match self.calls.get(&place.call) {
            Some(slot) if Some(&slot.call.tenant) == tenant.as_ref() => slot.call.grants(place.of),
            _ => Err(481),
        };
        if let Err(status) = granted {
            self.with_call(now, from, |call, cx| {
                call.refuse(cx, status, &[], CallResult::Failure);
                call.settle(cx);
            });
            return;
        }
        let agent = self.calls.get(&from).and_then(|slot| slot.call.agent_who_calls());
        self.expect_agent(place.call, agent.map(|agent| (agent, acd::Engaged::Talking)));
        let mut mover: Option<Mover> = None;
        self.with_call(now, from, |call, cx| mover = call.go_over(cx, place.call));
        if let Some(mover) = mover {
            self.with_call(now, place.call, |call, cx| call.take_place(cx, mover, place.of));
        }
    }

    /// REFER with Replaces: the call of `leg` and the one of the dialog that it names become one.
    ///
    /// # Errors
    /// The status to refuse the REFER with.
    fn join(
        &mut self,
        now: Instant,
        (id, leg): (CallId, LegId),
        tx: ServerTx,
        replaces: &str,
    ) -> Result<(), u16> {
        let replaces = Replaces::parse(replaces.as_bytes()).ok_or(400_u16)?;
        // A dialog of another shard cannot be moved from here, and one that is not ours is not ours to replace.
        let (other, other_leg) = self.index.by_dialog(replaces.dialog_key().parts()).ok_or(603_u16)?;
        if other == id {
            return Err(603);
        }
        let session = self.calls.get_mut(&other).and_then(|slot| slot.call.session_of(other_leg));
        session.ok_or(481_u16)?.replaceable(&replaces)?;
        let here = self.candidate((id, leg)).ok_or(603_u16)?;
        let there = self.candidate((other, other_leg)).ok_or(603_u16)?;
        if here.0 != there.0 || here.1.who.target != there.1.who.target {
            // Only who has both calls may make them one.
            return Err(603);
        }
        let (here, there) = (here.1, there.1);
        let first = ((id, leg), &here);
        let second = ((other, other_leg), &there);
        let (stays, goes) = if goes_on(&here, &there) { (first, second) } else { (second, first) };
        if !stays.1.talks {
            return Err(603);
        }
        let label = goes.1.label.clone();
        let ((stays, stays_leg), (goes, goes_leg)) = (stays.0, goes.0);
        self.with_call(now, id, |call, cx| call.refer_is_done(cx, leg, tx));
        let agent = self.calls.get(&goes).and_then(|slot| slot.call.agent_given_away_by(goes_leg));
        self.expect_agent(stays, agent);
        let mut departed: Option<Departed> = None;
        self.with_call(now, goes, |call, cx| departed = call.part_with(cx, goes_leg, stays));
        if let Some(departed) = departed {
            self.with_call(now, stays, |call, cx| {
                if call.may_transfer(stays_leg).is_ok() {
                    call.take_from(cx, stays_leg, departed, label);
                } else {
                    call.send_departed_away(cx, departed);
                }
            });
        }
        Ok(())
    }

    /// An agent goes over to the call `into`, and the ACD hears of it before it hears that the other call is over: nobody
    /// is free in between. Should the agent not come, `into` says so after its next input.
    fn expect_agent(&mut self, into: CallId, agent: Option<(AgentId, acd::Engaged)>) {
        let (Some((agent, engaged)), Some(slot)) = (agent, self.calls.get_mut(&into)) else { return };
        slot.agents.retain(|(known, _)| *known != agent);
        slot.agents.push((agent.clone(), engaged));
        let tenant = slot.call.tenant.clone();
        let input = acd::Input::Occupied { agent, call: into, engaged };
        self.out.push_back(Output::Acd { tenant, input });
    }

    fn candidate(&self, (id, leg): (CallId, LegId)) -> Option<(TenantId, Candidate)> {
        let call = &self.calls.get(&id)?.call;
        Some((call.tenant.clone(), call.candidate(leg)?))
    }
}

/// Whether of two calls the first is the one that goes on: the customer's, else the older one; one that talks, in any case.
fn goes_on(first: &Candidate, second: &Candidate) -> bool {
    let rank = |call: &Candidate| (!call.talks, call.direction != Direction::In, call.began);
    rank(first) <= rank(second)
}

/// A flow that only rings one phone or asks for a queue is a transfer to these, which comes back when it fails.
fn led_to(flow: Arc<ivr::Flow>) -> AimAt {
    match flow.nodes.get(&flow.start) {
        Some(Node::Dial { phones, say, next: None, failed: None, .. }) if say.is_empty() => match &phones[..]
        {
            [phone] => AimAt::Phone { target: phone.target.clone(), ring: phone.ring },
            _ => AimAt::Flow(flow),
        },
        _ => AimAt::Flow(flow),
    }
}
