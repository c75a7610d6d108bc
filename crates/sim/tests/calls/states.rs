//! Every state a call can be in × every side that can end it, in fair and in foul weather.

use model::event::{AgentState, CallFact};
use model::outcome::{CallResult, HungUpBy, Termination};
use peers::{Behaviour, Command, Happening};
use sim::{PeerId, Weather};

use crate::stage::{Stage, ending, millis, node_is, only, seconds};

/// Where a call is when somebody ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Arriving,
    Notice,
    Menu,
    Queued,
    Announcing,
    Ringing,
    NumberSpoken,
    Talking,
    HeldByAgent,
    HeldByCaller,
    Survey,
    HangingUp,
}

/// Who ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Caller,
    Agent,
    Operator,
    Shutdown,
    /// A defect in the call's own code, after which the shard gives it up.
    Panic,
}

const PLACES: [Place; 12] = [
    Place::Arriving,
    Place::Notice,
    Place::Menu,
    Place::Queued,
    Place::Announcing,
    Place::Ringing,
    Place::NumberSpoken,
    Place::Talking,
    Place::HeldByAgent,
    Place::HeldByCaller,
    Place::Survey,
    Place::HangingUp,
];

impl Place {
    /// Whether an agent's phone has a part.
    fn has_agent(self) -> bool {
        matches!(
            self,
            Place::Ringing | Place::NumberSpoken | Place::Talking | Place::HeldByAgent | Place::HeldByCaller
        )
    }

    /// The result that the record must show when the caller goes here.
    fn abandoned(self) -> CallResult {
        match self {
            Place::Arriving | Place::Notice | Place::Menu => CallResult::EndedInMenu,
            Place::Queued | Place::Announcing | Place::Ringing => CallResult::AbandonedInQueue,
            Place::NumberSpoken
            | Place::Talking
            | Place::HeldByAgent
            | Place::HeldByCaller
            | Place::Survey => CallResult::Answered,
            Place::HangingUp => CallResult::EndedInMenu,
        }
    }
}

/// A call brought to `place`.
fn reach(place: Place, seed: u64, weather: Weather) -> (Stage, PeerId) {
    let mut stage = Stage::ready_in(seed, weather, &["8001"]);
    let phone = stage.phone("8001");
    let away = matches!(place, Place::Queued | Place::Announcing);
    if away {
        stage.choose("8001", AgentState::Busy);
    }
    if place == Place::Ringing {
        stage.world.behave(phone, Behaviour::Ring);
    }
    let caller = stage.call("4008001234");
    let long = seconds(90);
    if place == Place::Arriving {
        stage.until_fact(long, |fact| matches!(fact, CallFact::Began { .. }));
        return (stage, caller);
    }
    stage.until_fact(long, |fact| node_is(fact, "notice"));
    if place == Place::Notice {
        stage.run(millis(300));
        return (stage, caller);
    }
    stage.until_fact(long, |fact| node_is(fact, "menu"));
    if place == Place::Menu {
        stage.run(millis(300));
        return (stage, caller);
    }
    if place == Place::HangingUp {
        stage.until_fact(long, |fact| node_is(fact, "bye"));
        stage.run(millis(300));
        return (stage, caller);
    }
    stage.press(caller, '1');
    stage.until_fact(long, |fact| matches!(fact, CallFact::Queued { .. }));
    match place {
        Place::Queued => stage.run(millis(200)),
        Place::Announcing => {
            stage.until_fact(long, |fact| matches!(fact, CallFact::PositionTold { .. }));
            stage.run(millis(100));
        }
        Place::Ringing => {
            stage.until_fact(long, |fact| matches!(fact, CallFact::Ringing { .. }));
            stage.run(millis(100));
        }
        Place::NumberSpoken => {
            stage.until_fact(long, |fact| matches!(fact, CallFact::AgentAnswered { .. }));
            stage.run(millis(100));
        }
        _ => stage.until_fact(long, |fact| matches!(fact, CallFact::Bridged { .. })),
    }
    match place {
        Place::Talking => stage.run(millis(700)),
        Place::HeldByAgent | Place::HeldByCaller => {
            let holder = if place == Place::HeldByAgent { phone } else { caller };
            stage.run(seconds(1));
            stage.tell(holder, Command::Hold);
            stage.until_fact(long, |fact| matches!(fact, CallFact::HoldBegan { .. }));
            stage.run(millis(300));
        }
        Place::Survey => {
            stage.run(seconds(1));
            stage.hang_up(phone);
            stage.until_fact(long, |fact| matches!(fact, CallFact::SurveyAsked { .. }));
            stage.run(millis(300));
        }
        _ => {}
    }
    (stage, caller)
}

fn end(stage: &mut Stage, side: Side, caller: PeerId) {
    match side {
        Side::Caller => stage.hang_up(caller),
        Side::Agent => {
            let phone = stage.phone("8001");
            stage.hang_up(phone);
        }
        Side::Operator => {
            let call = stage.world.calls()[0].id;
            stage.world.hang_up(call);
        }
        Side::Shutdown => stage.world.shut_down(),
        Side::Panic => {
            let call = stage.world.calls()[0].id;
            stage.world.give_up(call);
        }
    }
}

fn every_end_of(place: Place, weather: Weather, seeds: std::ops::Range<u64>) {
    for side in [Side::Caller, Side::Agent, Side::Operator, Side::Shutdown, Side::Panic] {
        if side == Side::Agent && !place.has_agent() {
            continue;
        }
        for seed in seeds.clone() {
            let (mut stage, caller) = reach(place, seed, weather);
            end(&mut stage, side, caller);
            stage.until(seconds(120), |world| world.calls().is_empty());
            let finished = stage.finish();
            let cdr = only(&finished);
            let found = (ending(cdr), cdr.ending.cause);
            let context = format!("{place:?} ended by {side:?}, seed {seed}: {found:?}");
            match side {
                Side::Caller => {
                    assert_eq!(ending(cdr), (place.abandoned(), HungUpBy::Caller), "{context}");
                }
                Side::Agent if place == Place::Ringing => {
                    // Refused; the caller keeps its place until the maximum wait.
                    assert_eq!(cdr.ending.result, CallResult::QueueTimeout, "{context}");
                }
                Side::Agent => {
                    assert_eq!(cdr.ending.result, CallResult::Answered, "{context}");
                    assert!(cdr.menu.survey.is_some(), "{context}");
                }
                Side::Operator => {
                    assert_eq!((cdr.ending.by, cdr.ending.cause), (HungUpBy::Switch, Termination::Commanded));
                }
                Side::Panic => {
                    let found = (cdr.ending.result, cdr.ending.cause);
                    assert_eq!(found, (CallResult::Failure, Termination::Internal), "{context}");
                }
                Side::Shutdown => {
                    assert_eq!((cdr.ending.by, cdr.ending.cause), (HungUpBy::Switch, Termination::Shutdown));
                }
            }
        }
    }
}

macro_rules! every_end {
    ($($name:ident: $place:expr;)*) => {$(
        #[test]
        fn $name() {
            assert!(PLACES.contains(&$place));
            every_end_of($place, Weather::FAIR, 1..2);
            every_end_of($place, Weather::FOUL, 1..9);
        }
    )*};
}

every_end! {
    a_call_that_arrives_ends_by_every_side: Place::Arriving;
    a_call_that_hears_the_notice_ends_by_every_side: Place::Notice;
    a_call_in_the_menu_ends_by_every_side: Place::Menu;
    a_call_in_the_queue_ends_by_every_side: Place::Queued;
    a_call_that_is_told_its_position_ends_by_every_side: Place::Announcing;
    a_call_whose_agent_rings_ends_by_every_side: Place::Ringing;
    a_call_that_hears_the_agents_number_ends_by_every_side: Place::NumberSpoken;
    a_conversation_ends_by_every_side: Place::Talking;
    a_call_held_by_the_agent_ends_by_every_side: Place::HeldByAgent;
    a_call_held_by_the_caller_ends_by_every_side: Place::HeldByCaller;
    a_call_in_the_survey_ends_by_every_side: Place::Survey;
    a_call_that_hears_goodbye_ends_by_every_side: Place::HangingUp;
}

#[test]
fn a_call_that_nobody_disturbs_goes_all_the_way() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    let caller = stage.talk();
    assert!(stage.world.happened(phone).iter().any(|(_, happening)| matches!(
        happening,
        Happening::Called { name: Some(name), number } if name == "13800138001 销售" && number == "13800138001"
    )));
    stage.run(seconds(10));
    stage.hang_up(phone);
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
    stage.run(seconds(1));
    stage.press(caller, '1');
    stage.until(seconds(10), |world| world.calls().is_empty());
    let finished = stage.finish();
    let cdr = only(&finished);
    assert_eq!(ending(cdr).0, CallResult::Answered);
    let survey = cdr.menu.survey.as_ref().and_then(|survey| survey.answer.as_ref()).expect("an answer");
    assert_eq!(&*survey.label, "满意");
    assert!(cdr.menu.notice_played.is_some() && cdr.lengths.talk >= seconds(10));
    assert_eq!(cdr.recordings.len(), 1);
}
