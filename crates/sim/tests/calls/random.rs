//! Random histories by seed: whatever happens in whatever order, every check holds at the end.

use model::event::AgentState;
use peers::{Behaviour, Command};
use sim::{PeerId, Weather};

use crate::stage::{Stage, edited, folder, millis, seconds};

/// A seeded choice.
pub(crate) struct Chance(u64);

impl Chance {
    /// The choices of a seed; near seeds have nothing in common.
    pub(crate) fn of(seed: u64) -> Chance {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        chance.below(2);
        chance
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let place = self.below(all.len() as u64) as usize;
        all[place]
    }
}

const NUMBERS: [&str; 8] = [
    "4008001234",
    "4008001111",
    "4008002222",
    "4008003333",
    "4008004444",
    "4008005555",
    "4008006666",
    "4009999999",
];

const AGENTS: [&str; 4] = ["8001", "8002", "8003", "8004"];

fn weather(chance: &mut Chance) -> Weather {
    match chance.below(4) {
        0 => Weather::FAIR,
        1 => Weather { letter: millis(20), ..Weather::FAIR },
        2 => Weather { lost: 30, jitter: millis(10), ..Weather::FAIR },
        _ => Weather::FOUL,
    }
}

fn behaviour(chance: &mut Chance) -> Behaviour {
    match chance.below(8) {
        0 => Behaviour::Ring,
        1 => Behaviour::Refuse(486),
        2 => Behaviour::Refuse(603),
        3 => Behaviour::AnswerAfter(millis(0)),
        4 => Behaviour::AnswerAfter(millis(9_990)),
        _ => Behaviour::AnswerAfter(millis(1_500)),
    }
}

fn state(chance: &mut Chance) -> AgentState {
    match chance.below(6) {
        0 => AgentState::Offline,
        1 => AgentState::Busy,
        2 => AgentState::Break { reason: "会议".into() },
        _ => AgentState::Ready,
    }
}

/// One thing that somebody does.
fn happen(stage: &mut Stage, chance: &mut Chance, peers: &mut Vec<PeerId>) {
    let someone =
        if peers.is_empty() { None } else { Some(peers[chance.below(peers.len() as u64) as usize]) };
    let phones = stage.phones();
    let phone = phones[chance.below(phones.len() as u64) as usize];
    match chance.below(24) {
        0..=5 => {
            if peers.len() < 40 {
                let number = chance.one_of(&NUMBERS);
                peers.push(stage.call(number));
            }
        }
        6..=9 => {
            if let Some(peer) = someone {
                let key = chance.one_of(&['1', '1', '1', '2', '9', '8', '0', '#']);
                stage.press(peer, key);
            }
        }
        10 | 11 => {
            if let Some(peer) = someone {
                stage.hang_up(peer);
            }
        }
        12 => stage.hang_up(phone),
        13 => {
            let behaviour = behaviour(chance);
            stage.world.behave(phone, behaviour);
        }
        14 => {
            let peer = if chance.below(2) == 0 { Some(phone) } else { someone };
            if let Some(peer) = peer {
                stage.tell(peer, Command::Hold);
            }
        }
        15 => {
            let peer = if chance.below(2) == 0 { Some(phone) } else { someone };
            if let Some(peer) = peer {
                stage.tell(peer, Command::Resume);
            }
        }
        16 | 17 => {
            let (number, state) = (chance.one_of(&AGENTS), state(chance));
            stage.choose(number, state);
        }
        18 => stage.tell(phone, Command::Unregister),
        19 => {
            let registrar = stage.world.switch(1);
            stage.tell(phone, Command::Register { registrar, expires: seconds(600) });
        }
        20 => {
            let calls = stage.world.calls();
            if !calls.is_empty() {
                let call = calls[chance.below(calls.len() as u64) as usize].id;
                stage.world.hang_up(call);
            }
        }
        21 => {
            if !stage.world.peer(phone).is_in_call() {
                let number =
                    chance.one_of(&["8001", "8002", "8003", "*61", "*62", "*43", "8999", "4008001111"]);
                stage.dial(phone, number);
            }
        }
        22 => reload(stage, chance),
        _ => {
            stage.world.unplug(phone);
            let length = millis(chance.below(40_000));
            stage.run(length);
            stage.world.plug(phone);
        }
    }
}

fn reload(stage: &mut Stage, chance: &mut Chance) {
    let (path, text) = match chance.below(4) {
        0 => edited("queues/plain.toml", "[\"8001-8002\"]", "[\"8002-8004\"]"),
        1 => edited("queues/sales.toml", "max_wait_seconds = 60", "max_wait_seconds = 6"),
        2 => edited("flows/main.toml", "tries = 3", "tries = 1"),
        _ => edited("numbers/all.toml", "4008001234", "4008009999"),
    };
    let sources = if chance.below(2) == 0 { folder(&[(path, &text)]) } else { folder(&[]) };
    stage.world.reload(&sources).unwrap_or_else(|wrong| panic!("{wrong:?}"));
}

fn history(seed: u64) {
    let mut chance = Chance::of(seed);
    let weather = weather(&mut chance);
    let mut stage = Stage::ready_in(seed, weather, &AGENTS);
    let mobile = behaviour(&mut chance);
    let mobile = stage.mobile(mobile);
    let mut callers = Vec::new();
    for _ in 0..60 {
        happen(&mut stage, &mut chance, &mut callers);
        let length = millis(match chance.below(4) {
            0 => 0,
            1 => chance.below(50),
            2 => chance.below(1_000),
            _ => chance.below(8_000),
        });
        stage.run(length);
    }
    let everybody: Vec<PeerId> = callers.into_iter().chain(stage.phones()).chain([mobile]).collect();
    for _ in 0..4 {
        for peer in &everybody {
            stage.hang_up(*peer);
        }
        stage.run(seconds(5));
    }
    stage.world.behave(mobile, Behaviour::Refuse(486));
    let over = stage.world.run_until(seconds(600), |world| world.calls().is_empty());
    assert!(over, "seed {seed}: {:#?}", stage.world.calls());
    // Whoever was unplugged when its call ended hears of it by asking.
    for peer in &everybody {
        stage.hang_up(*peer);
    }
    stage.run(seconds(40));
    stage.world.finish().unwrap_or_else(|failed| panic!("seed {seed}\n{failed}"));
}

fn histories(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        history(seed);
    }
}

#[test]
fn any_history_leaves_nothing_behind_1() {
    histories(0..100);
}

#[test]
fn any_history_leaves_nothing_behind_2() {
    histories(100..200);
}

/// As many more as `HISTORIES` asks for, for a night.
#[test]
fn any_history_leaves_nothing_behind_as_long_as_asked() {
    let more = std::env::var("HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(0u64);
    histories(200..200 + more);
}
