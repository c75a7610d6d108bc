//! Random histories of many callers and agents: whatever comes in whichever order, every place and attempt ends once
//! and nothing is left behind.

use proptest::prelude::{Just, ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::{Engaged, Strategy};

/// What happens next. Numbers choose among what exists then.
#[derive(Clone, Debug)]
enum Step {
    Enqueue { queue: u8, priority: i8 },
    Leave(u8),
    Ring(u8),
    End(u8, OfferResult),
    HangUp(u8),
    Hold(u8, bool),
    Said(u8),
    Choose(u8, AgentState),
    Reachable(u8, bool),
    Occupied(u8, u8, Engaged),
    PickedUp(u8),
    Freed(u8, u8),
    Day,
    Reload(u8),
    Pass(u16),
}

fn results() -> impl Generator<Value = OfferResult> {
    prop_oneof![
        4 => Just(OfferResult::Accepted),
        1 => Just(OfferResult::Refused(RefusalCause::Busy, Some(486))),
        1 => Just(OfferResult::Refused(RefusalCause::NoAnswer, None)),
        2 => Just(OfferResult::Gone),
    ]
}

fn states() -> impl Generator<Value = AgentState> {
    prop_oneof![
        4 => Just(AgentState::Ready),
        1 => Just(AgentState::Offline),
        1 => Just(AgentState::Busy),
        1 => Just(AgentState::Break { reason: Arc::from("用餐") }),
    ]
}

fn steps() -> impl Generator<Value = Step> {
    prop_oneof![
        8 => (0..4u8, -2..3i8).prop_map(|(queue, priority)| Step::Enqueue { queue, priority }),
        2 => any::<u8>().prop_map(Step::Leave),
        3 => any::<u8>().prop_map(Step::Ring),
        10 => (any::<u8>(), results()).prop_map(|(n, result)| Step::End(n, result)),
        5 => any::<u8>().prop_map(Step::HangUp),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(n, held)| Step::Hold(n, held)),
        3 => any::<u8>().prop_map(Step::Said),
        4 => (0..6u8, states()).prop_map(|(n, state)| Step::Choose(n, state)),
        3 => (0..6u8, any::<bool>()).prop_map(|(n, yes)| Step::Reachable(n, yes)),
        1 => (0..6u8, 0..3u8).prop_map(|(n, c)| Step::Occupied(n, c, Engaged::Ringing)),
        1 => (0..6u8, 0..3u8).prop_map(|(n, c)| Step::Occupied(n, c, Engaged::Talking)),
        1 => (0..6u8, 0..3u8).prop_map(|(n, c)| Step::Occupied(n, c, Engaged::Held)),
        1 => any::<u8>().prop_map(Step::PickedUp),
        2 => (0..6u8, 0..3u8).prop_map(|(n, c)| Step::Freed(n, c)),
        1 => Just(Step::Day),
        1 => any::<u8>().prop_map(Step::Reload),
        8 => (0..20_000u16).prop_map(Step::Pass),
    ]
}

/// The world of `call`: what it still owes an answer for.
struct History {
    world: World,
    entries: u64,
    /// Attempts whose end is not reported.
    open: Vec<OfferId>,
    talks: Vec<OfferId>,
    waiting: Vec<u64>,
    entry_of: BTreeMap<OfferId, u64>,
    /// Attempts that ended by an answer, which `call` tells.
    answered: u32,
    left_by_caller: u32,
}

const AGENTS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

/// Settings number `n`: other strategies, agents, tiers and limits each time.
fn variant(n: u8) -> TenantSettings {
    use Strategy::*;
    let strategies = [LongestIdle, RoundRobin, TopDown, FewestCalls, LeastTalk, AllAtOnce];
    let mut settings = settings(&AGENTS[..usize::from(3 + n % 4)]);
    phone(&mut settings, "1", SignIn::ByCode);
    phone(&mut settings, "2", SignIn::ByRegistering);
    phone(&mut settings, "3", if n & 4 == 0 { SignIn::Always } else { SignIn::ByRegistering });
    let q = &mut settings.queues[0];
    q.strategy = strategies[usize::from(n % 6)];
    q.announce.position = n & 1 == 0;
    q.max_wait = (n & 8 == 0).then_some(secs(40));
    q.wrap_up = secs(u64::from(n % 3));
    q.no_answer_rest = secs(u64::from(n % 5));
    q.tiers.iter_mut().for_each(|tier| tier.level = u32::from(tier.agent.as_str() > "3"));
    let mut second = queue_settings("r", &["2", "3", "4", "9"]);
    second.strategy = strategies[usize::from(n / 6 % 6)];
    second.leave_when_nobody = true;
    second.max_waiting = Some(3);
    second.announce = Announce { position: true, every: Duration::ZERO };
    second.priority = i32::from(n % 2);
    if n % 7 != 6 {
        settings.queues.push(second);
    }
    settings
}

impl History {
    fn new(n: u8) -> History {
        let settings = variant(n);
        let acd =
            Acd::new(Instant::ZERO, tenant(), IdGen::new(0, 0, 1_795_000_000), Arc::new(settings.clone()));
        let world = World { acd, now: Instant::from_secs(1000), settings, audit: Audit::default() };
        History {
            world,
            entries: 0,
            open: Vec::new(),
            talks: Vec::new(),
            waiting: Vec::new(),
            entry_of: BTreeMap::new(),
            answered: 0,
            left_by_caller: 0,
        }
    }

    fn step(&mut self, step: Step) {
        let pick = |list: &[OfferId], n: u8| list.get(usize::from(n) % list.len().max(1)).copied();
        let number = |n: u8| AGENTS[usize::from(n)];
        let out = match step {
            Step::Enqueue { queue, priority } => {
                self.entries += 1;
                self.waiting.push(self.entries);
                let name = ["q", "q", "r", "nowhere"][usize::from(queue)];
                self.world.enqueue_in(name, self.entries, i32::from(priority))
            }
            Step::Leave(n) if !self.waiting.is_empty() => {
                let n = self.waiting.swap_remove(usize::from(n) % self.waiting.len());
                self.left_by_caller += 1;
                self.world.leave(n)
            }
            Step::Ring(n) => match pick(&self.open, n) {
                Some(offer) => self.world.put(Input::OfferRinging { offer }),
                None => return,
            },
            Step::End(n, result) => match pick(&self.open, n) {
                Some(offer) => {
                    self.open.retain(|other| *other != offer);
                    if result == OfferResult::Accepted {
                        self.answered += 1;
                        if self.waiting.contains(&self.entry_of[&offer]) {
                            self.talks.push(offer);
                        }
                    }
                    self.world.end(offer, result)
                }
                None => return,
            },
            Step::HangUp(n) => match pick(&self.talks, n) {
                Some(offer) => {
                    self.talks.retain(|other| *other != offer);
                    self.world.hang_up(offer)
                }
                None => return,
            },
            Step::Hold(n, held) => match pick(&self.talks, n) {
                Some(offer) => self.world.put(Input::Held { offer, held }),
                None => return,
            },
            Step::Said(n) if !self.waiting.is_empty() => {
                let n = self.waiting[usize::from(n) % self.waiting.len()];
                self.world.put(Input::Said { entry: entry(n) })
            }
            Step::Leave(_) | Step::Said(_) => return,
            Step::Choose(n, state) => self.world.choose(number(n), state),
            Step::Reachable(n, yes) => self.world.reachable(number(n), yes),
            Step::Occupied(n, c, engaged) => {
                let (agent, call) = (agent(number(n)), call(9000 + u64::from(c)));
                self.world.put(Input::Occupied { agent, call, engaged })
            }
            Step::PickedUp(n) => match pick(&self.open, n) {
                Some(offer) => {
                    self.open.retain(|other| *other != offer);
                    self.world.put(Input::PickedUp { offer })
                }
                None => return,
            },
            Step::Freed(n, c) => {
                let input = Input::Freed { agent: agent(number(n)), call: call(9000 + u64::from(c)) };
                self.world.put(input)
            }
            Step::Day => self.world.put(Input::DayBegan),
            Step::Reload(n) => self.world.configure(|settings| *settings = variant(n)),
            Step::Pass(millis) => self.world.pass(Duration::from_millis(u64::from(millis))),
        };
        self.note(&out);
    }

    fn note(&mut self, out: &[Output]) {
        for (offer, of, _) in offers(out) {
            assert!(self.waiting.contains(&of), "an offer for who is gone");
            self.open.push(offer);
            self.entry_of.insert(offer, of);
        }
        for (n, _) in left(out) {
            assert!(self.waiting.contains(&n), "left twice, or after leaving");
            self.waiting.retain(|other| *other != n);
        }
    }

    /// Everybody hangs up.
    fn end(mut self) {
        while !self.waiting.is_empty() {
            self.step(Step::Leave(0));
        }
        while !self.open.is_empty() {
            self.step(Step::End(0, OfferResult::Gone));
        }
        while !self.talks.is_empty() {
            self.step(Step::HangUp(0));
        }
        for n in 0..6 {
            for c in 0..3 {
                self.step(Step::Freed(n, c));
            }
        }
        assert_eq!(self.world.acd.live(), crate::Live::default());
        let audit = &self.world.audit;
        assert!(audit.queued.keys().eq(audit.dequeued.keys()), "one Dequeued per Enqueue");
        assert_eq!(u64::try_from(audit.queued.len()).unwrap(), self.entries);
        assert_eq!(audit.left.len() + self.left_by_caller as usize, audit.queued.len());
        assert_eq!(audit.offered.len(), audit.ended.len() + self.answered as usize, "one end per Offered");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_place_and_attempt_ends_once_and_nothing_is_left(
        n in any::<u8>(),
        history in proptest::collection::vec(steps(), 1..300),
    ) {
        let mut world = History::new(n);
        for step in history {
            world.step(step);
        }
        world.end();
    }
}
