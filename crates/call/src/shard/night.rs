//! Owns turning the night switches of hotline numbers: by a phone's code, by an operator. Does not own what they are (see
//! `routing::NightSwitches`) nor what a call does that meets one (see [`super::incoming`]).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use clock::Instant;
use model::event::Event;
use model::night::{NumberFact, Turn};
use model::outcome::CallResult;
use model::{Aor, HotlineNumber};
use routing::{Feature, Phone, Plan};
use sip::subscription::{Direction, Progress, WatchedDialog};

use super::Shard;
use super::incoming::Refused;
use crate::Output;

impl Shard {
    /// A phone dialled the code, with a number behind it or for all numbers of its tenant. Says which way they were turned.
    pub(super) fn turn_by_code(
        &mut self,
        now: Instant,
        phone: &Phone,
        argument: &str,
    ) -> Result<Turn, Refused> {
        let numbers = self.night_numbers(phone, argument);
        if !phone.night_switch {
            let by: Arc<str> = Arc::from(phone.aor.user());
            let refused = numbers.into_iter().map(|number| {
                Output::Event(Event::Number { number, fact: NumberFact::NightRefused { by: by.clone() } })
            });
            self.out.extend(refused);
            let why = "此话机无权切换夜间模式 / this phone may not turn the night switch";
            return Err(Refused::because(403, CallResult::Barred, why));
        }
        if numbers.is_empty() {
            let why = "没有这个号码, 或它没有 night_flow / no such number, or none that has a night flow";
            return Err(Refused::because(404, CallResult::NoSuchNumber, why));
        }
        let turn = self.node.night.lock().next_turn(&numbers);
        let by: Arc<str> = Arc::from(phone.aor.user());
        for number in numbers {
            self.turn_night(now, &number, turn, &by);
        }
        Ok(turn)
    }

    fn night_numbers(&self, phone: &Phone, argument: &str) -> Vec<HotlineNumber> {
        let plan = &self.settings.plan;
        if argument.is_empty() {
            return plan.night_numbers(&phone.tenant).map(|number| number.number.clone()).collect();
        }
        let meant = self.router.number_of(argument);
        let meant = meant.filter(|one| one.number.tenant == phone.tenant && one.night_flow.is_some());
        meant.map(|number| number.number.clone()).into_iter().collect()
    }

    /// Turns the switch of `number`: a fact, kept over a restart, and seen on the lamps of the code.
    pub(super) fn turn_night(&mut self, now: Instant, number: &HotlineNumber, turn: Turn, by: &Arc<str>) {
        let at = self.anchor.wall(now);
        if !self.node.night.lock().turn(number, turn, by, at) {
            return;
        }
        let fact = NumberFact::NightTurned { turn, by: by.clone() };
        self.out.push_back(Output::Event(Event::Number { number: number.clone(), fact }));
        let lamps = night_lamps(&self.settings.plan, number, turn);
        self.out.extend(lamps.into_iter().map(|(aor, dialog)| Output::PhoneDialog { aor, dialog }));
    }
}

/// What those see who watch the code of the night switch, alone or with the number behind it: a call while it is on.
pub fn night_lamps(plan: &Plan, number: &HotlineNumber, turn: Turn) -> Vec<(Aor, WatchedDialog)> {
    let Some(code) = plan.codes.code_of(Feature::Night) else { return Vec::new() };
    let domain = plan.domains.iter().find(|domain| domain.tenant == number.tenant);
    let Some(domain) = domain.map(|domain| &*domain.domain) else { return Vec::new() };
    let mut id = DefaultHasher::new();
    number.hash(&mut id);
    let dialog = WatchedDialog {
        id: id.finish(),
        direction: Direction::Recipient,
        progress: if turn == Turn::On { Progress::Confirmed } else { Progress::Terminated },
        remote: Arc::from(number.as_str()),
    };
    [code.to_owned(), format!("{code}{}", number.as_str())]
        .map(|user| (Aor::new(&user, domain), dialog.clone()))
        .to_vec()
}
