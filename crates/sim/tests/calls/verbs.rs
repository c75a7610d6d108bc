//! Random histories of what up to eight people do with their telephones, in fair and foul weather: callers, agents, a
//! supervisor, somebody outside. While nothing is on its way, nobody hears who should not, and the ACD's view of each
//! agent is the calls that exist and the calls that the phones are in; at the end nothing is left behind (R16, R20, R21,
//! R36, R38, R46, R54).

mod doings;

use std::sync::atomic::{AtomicU64, Ordering};

use config::Sources;
use model::event::AgentState;
use peers::{Behaviour, Command, Sound};
use sim::{PeerId, Weather};

use crate::random::Chance;
use crate::stage::{SUPERVISED_AGENTS, SUPERVISED_PHONES, Stage, edited, folder, millis, seconds};

/// Somebody with a telephone.
#[derive(Clone, Copy)]
pub(super) struct Somebody {
    pub name: &'static str,
    pub is: Is,
    pub peer: PeerId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// Calls in by the carrier.
    Customer,
    /// Has a phone of ours and is in queues.
    Agent,
    /// The same, and may listen, join and take over.
    Supervisor,
    /// Is called by a trunk.
    Outside,
}

/// A small office in the course of a history.
pub(super) struct Office {
    pub stage: Stage,
    pub chance: Chance,
    pub people: Vec<Somebody>,
    /// What was done so far, in words.
    pub log: Vec<String>,
}

const ROOM: &str = r#"
number = "600"
pin = "12"
moderator_pin = "99"
moderators = ["8001"]
max_participants = 3
max_duration_seconds = 60
"#;

/// The office of all scenarios, with a supervisor, an outside line, a queue that phones dial, a conference, and a number
/// that leads into it.
fn sources(speech: Speech, chance: &mut Chance) -> Sources {
    let dialling = "[dialling]\nprefix = \"9\"\ntrunk = \"mobile\"\nring_seconds = 12\nwrap_up_seconds = 3\n\
                    forward_after_seconds = 5\n[codes]";
    let (path, hotline) = edited("hotline.toml", "[codes]", dialling);
    let timeout = match speech {
        Speech::Heard => "rtp_timeout_seconds = 20",
        Speech::None => "rtp_timeout_seconds = 0",
    };
    let hotline = hotline.replace("rtp_timeout_seconds = 20", timeout);
    let (mobile, trunk) = edited("trunks/mobile.toml", "max_calls = 1", "max_calls = 3");
    let (plain, queue) = edited("queues/plain.toml", "title =", "dial = \"6001\"\ntitle =");
    let queue = match chance.below(3) {
        0 => queue.replace("agent_number = false", "agent_number = true"),
        1 => queue.replace("ring_seconds = 10", "ring_seconds = 10\nstrategy = \"all-at-once\""),
        _ => queue,
    };
    let (numbers, all) = edited(
        "numbers/all.toml",
        "number = \"4008006666\"\nflow = \"mobile\"",
        "number = \"4008006666\"\nflow = \"room\"",
    );
    folder(&[
        (path, &hotline),
        (mobile, &trunk),
        (plain, &queue),
        (numbers, &all),
        ("agents/all.toml", SUPERVISED_AGENTS),
        ("phones/all.toml", SUPERVISED_PHONES),
        ("conferences/board.toml", ROOM),
        ("flows/room.toml", "start = \"room\"\n[node.room]\nkind = \"conference\"\nconference = \"board\"\n"),
    ])
}

/// Whether people say anything: what they are heard to say is judged by matrices, and costs time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Heard,
    None,
}

impl Office {
    fn new(seed: u64) -> Office {
        let mut chance = Chance::of(seed);
        let speech = if seed.is_multiple_of(25) { Speech::Heard } else { Speech::None };
        let weather = match chance.below(6) {
            0..=2 => Weather::FAIR,
            3 => Weather { letter: millis(20), ..Weather::FAIR },
            4 => Weather { lost: 30, jitter: millis(10), ..Weather::FAIR },
            _ => Weather::FOUL,
        };
        let shards = chance.one_of(&[1, 1, 2, 3]);
        let stage = Stage::on_shards(&sources(speech, &mut chance), seed, weather, shards);
        let log = vec![format!("{shards} shards, {weather:?}")];
        let mut office = Office { stage, chance, people: Vec::new(), log };
        office.people_come();
        if speech == Speech::None {
            for somebody in office.people.clone() {
                office.stage.tell(somebody.peer, Command::Say(Sound::Nothing));
            }
        }
        office
    }

    /// Three to eight people.
    fn people_come(&mut self) {
        let agents = 2 + self.chance.below(2) as usize;
        for name in &["8001", "8002", "8003"][..agents] {
            let peer = self.stage.register(name);
            self.people.push(Somebody { name, is: Is::Agent, peer });
        }
        for name in &["甲", "乙", "丙"][..1 + self.chance.below(3) as usize] {
            let peer = self.stage.caller();
            self.people.push(Somebody { name, is: Is::Customer, peer });
        }
        if self.chance.below(3) > 0 {
            let peer = self.stage.register("9001");
            self.people.push(Somebody { name: "9001", is: Is::Supervisor, peer });
        }
        if self.chance.below(3) > 0 {
            let peer = self.stage.mobile(Behaviour::AnswerAfter(millis(1_500)));
            self.people.push(Somebody { name: "外线", is: Is::Outside, peer });
        }
        self.stage.run(seconds(2));
        for somebody in self.people.clone() {
            if somebody.is == Is::Agent {
                self.stage.choose(somebody.name, AgentState::Ready);
            }
        }
        self.stage.run(millis(100));
    }

    /// Everybody hangs up, and whoever is rung refuses, until nobody calls any more.
    fn all_go_home(&mut self) -> bool {
        for somebody in self.people.clone() {
            self.stage.world.behave(somebody.peer, Behaviour::Refuse(486));
        }
        for _ in 0..4 {
            for somebody in self.people.clone() {
                // One call is up and another may be put aside.
                self.stage.hang_up(somebody.peer);
                self.stage.hang_up(somebody.peer);
            }
            self.stage.run(seconds(3));
        }
        let over = self.stage.world.run_until(seconds(600), |world| world.calls().is_empty());
        // Whoever was unplugged when its call ended hears of it by asking.
        for _ in 0..2 {
            for somebody in self.people.clone() {
                self.stage.hang_up(somebody.peer);
            }
            self.stage.run(seconds(40));
        }
        over
    }
}

/// What is wrong with the history of `seed`, with what was done in it; None for a sound one.
fn wrong_with(seed: u64) -> Option<String> {
    let mut office = Office::new(seed);
    for _ in 0..36 {
        office.something_happens();
        let length = millis(match office.chance.below(5) {
            0 => 0,
            1 => office.chance.below(50),
            2 => office.chance.below(700),
            _ => office.chance.below(3_000),
        });
        office.stage.run(length);
    }
    let over = office.all_go_home();
    let done = office.log.join("\n");
    if !over {
        return Some(format!("seed {seed}\n{done}\nnot over: {:#?}", office.stage.world.calls()));
    }
    office.stage.world.finish().err().map(|failed| format!("seed {seed}\n{failed}\n{done}"))
}

/// Judges histories on every processor; all of those that are wrong are told, the first with its story.
fn histories(seeds: std::ops::Range<u64>) {
    let next = AtomicU64::new(seeds.start);
    let judge = || {
        let mut wrong = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return wrong;
            }
            let judged = std::panic::catch_unwind(|| wrong_with(seed));
            match judged {
                Ok(found) => wrong.extend(found.map(|why| (seed, why))),
                Err(_) => wrong.push((seed, format!("seed {seed} panicked"))),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wrong: Vec<(u64, String)> = std::thread::scope(|scope| {
        let judges: Vec<_> = (0..threads).map(|_| scope.spawn(judge)).collect();
        judges.into_iter().flat_map(|judge| judge.join().expect("a judge")).collect()
    });
    wrong.sort();
    let bad: Vec<u64> = wrong.iter().map(|(seed, _)| *seed).collect();
    assert!(wrong.is_empty(), "{}\nwrong: {bad:?}", wrong[0].1);
}

#[test]
fn whatever_up_to_eight_people_do_nobody_hears_who_should_not_and_agents_are_seen_as_they_are() {
    histories(0..1_000);
}

/// One history, by `HISTORY`; as many more as `HISTORIES` asks for, for a night.
#[test]
fn whatever_people_do_as_long_as_asked() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("HISTORY") {
        histories(seed..seed + 1);
    }
    histories(1_000..1_000 + number("HISTORIES").unwrap_or(0));
}
