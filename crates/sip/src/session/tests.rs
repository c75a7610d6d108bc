//! Sessions against each other over a network in virtual time. Each scenario ends with the audit of its trace and with
//! nothing left on either side (`Pair::check_end`).

mod calls;
mod ending;
mod forks;
mod keepalive;
mod lossy;
mod offers;
mod refer;
mod reliable;

use std::time::Duration;

use super::*;
use crate::message::Message;
use crate::pair::{End, Fate, Pair, Weather, sdp};

const MILLIS: fn(u64) -> Duration = Duration::from_millis;
const SECS: fn(u64) -> Duration = Duration::from_secs;

/// A pair whose call is answered and acknowledged.
fn talking() -> Pair {
    talking_as(|_| {})
}

fn talking_as(change: impl FnOnce(&mut Pair)) -> Pair {
    let mut pair = Pair::new();
    change(&mut pair);
    pair.call(Some(sdp("offer")));
    pair.pass(MILLIS(50));
    pair.with(End::B, |session, now, ep| session.answer(now, ep, sdp("answer")));
    pair.pass(MILLIS(100));
    assert!(pair.a.session.as_ref().unwrap().is_established());
    assert!(pair.b.session.as_ref().unwrap().is_established());
    pair.a.hear();
    pair.b.hear();
    pair
}

fn ended(by: EndedBy, cause: EndCause) -> SessionEvent {
    SessionEvent::Ended { by, cause }
}

fn bye() -> EndCause {
    EndCause::Bye { reason: None }
}

/// Loses what `end` sends while `which` says so.
fn losing(end: End, mut which: impl FnMut(&Message) -> bool + 'static) -> Weather {
    Box::new(move |from, message| if from == end && which(message) { Fate::Lose } else { Fate::Deliver })
}

fn is_request(message: &Message, wanted: &Method) -> bool {
    matches!(message, Message::Request(request) if request.method == *wanted)
}
