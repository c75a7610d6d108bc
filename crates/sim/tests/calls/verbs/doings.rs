//! What somebody does with a telephone, or an operator with the switch.

use model::command::{ConferenceWish, First};
use model::event::AgentState;
use model::supervision::Verb;
use peers::{Behaviour, Command, Sound};

use super::{Is, Office, Somebody};
use crate::stage::{agent, millis, seconds};

const HOTLINES: [&str; 7] =
    ["4008001234", "4008001111", "4008001111", "4008002222", "4008003333", "4008005555", "4008006666"];

/// What a phone dials when it is free. `#` stands for another person of the office.
const DIALLED: [&str; 34] = [
    "#",
    "#",
    "#",
    "#",
    "#",
    "8004",
    "8010",
    "6001",
    "6001",
    "600",
    "600",
    "600",
    "4008001234",
    "4008006666",
    "913900139000",
    "913900139000",
    "*61",
    "*62",
    "*63",
    "*64",
    "*43",
    "*8",
    "**#",
    "**#",
    "*69",
    "*72#",
    "*73",
    "*90#",
    "*91",
    "*92#",
    "*93",
    "*78",
    "*79",
    "8999",
];

/// Where somebody is sent.
const SENT_TO: [&str; 10] =
    ["#", "#", "#", "#", "6001", "4008001234", "4008006666", "600", "913900139000", "8999"];

const CODES_IN_TALK: [&str; 7] = ["##N#", "##N#", "*1N#", "*1N#", "*1N#", "##", "*1"];

const KEYS: [&str; 16] =
    ["1", "1", "9", "#", "*", "0", "0", "2", "3", "4", "9", "12#", "99#", "98001", "1", "5"];

impl Office {
    /// One thing that somebody does.
    pub(super) fn something_happens(&mut self) {
        let who = self.people[self.chance.below(self.people.len() as u64) as usize];
        if self.chance.below(6) == 0 {
            return self.operator_does();
        }
        if self.chance.below(14) == 0 {
            return self.something_breaks(who);
        }
        let calls = self.stage.world.peer(who.peer).call_ids().count();
        match (calls, who.is) {
            (0, _) if self.chance.below(5) == 0 => self.change_habits(who),
            (0, Is::Customer) => {
                let number = self.chance.one_of(&HOTLINES);
                self.dial(who, number.to_owned());
            }
            (0, Is::Agent) => {
                let number = self.chance.one_of(&DIALLED);
                self.dial(who, number.to_owned());
            }
            (0, Is::Supervisor) => {
                let number = match self.chance.below(3) {
                    0 => "*33#".to_owned(),
                    1 => "*34#".to_owned(),
                    _ => self.chance.one_of(&DIALLED).to_owned(),
                };
                self.dial(who, number);
            }
            (0, Is::Outside) => self.change_habits(who),
            _ => self.use_phone(who),
        }
    }

    fn note(&mut self, who: &str, what: &str) {
        let line = format!("{:?} {who}: {what}", self.stage.world.now());
        if std::env::var_os("HISTORY").is_some() {
            eprintln!("{line}");
        }
        self.log.push(line);
    }

    /// Another number of the office than that of `who`.
    fn somebody_else(&mut self, who: Somebody) -> &'static str {
        let all: Vec<&'static str> = self
            .people
            .iter()
            .filter(|other| matches!(other.is, Is::Agent | Is::Supervisor) && other.name != who.name)
            .map(|other| other.name)
            .collect();
        self.chance.one_of(&all)
    }

    fn number(&mut self, who: Somebody, pattern: &str) -> String {
        let other = self.somebody_else(who);
        if pattern.ends_with('#') { pattern.replace('#', other) } else { pattern.to_owned() }
    }

    fn dial(&mut self, who: Somebody, pattern: String) {
        let number = self.number(who, &pattern);
        self.note(who.name, &format!("dials {number}"));
        self.stage.dial(who.peer, &number);
    }

    fn do_so(&mut self, who: Somebody, command: Command) {
        self.note(who.name, &format!("{command:?}"));
        self.stage.tell(who.peer, command);
    }

    /// Somebody in a call, or whose phone rings.
    fn use_phone(&mut self, who: Somebody) {
        let to = self.stage.world.switch(1);
        let ours = matches!(who.is, Is::Agent | Is::Supervisor);
        match self.chance.below(if ours { 17 } else { 8 }) {
            0 | 1 => self.do_so(who, Command::HangUp),
            2 | 3 => {
                let keys = self.chance.one_of(&KEYS);
                self.press(who, keys);
            }
            4 => self.do_so(who, Command::Hold),
            5 => self.do_so(who, Command::Resume),
            6 => self.do_so(who, Command::Answer),
            7 => {
                let status = self.chance.one_of(&[486, 603, 480]);
                self.do_so(who, Command::Refuse(status));
            }
            8 | 9 => {
                let pattern = self.chance.one_of(&SENT_TO);
                let user = self.number(who, pattern);
                self.do_so(who, Command::Transfer { user });
            }
            10 | 11 => {
                let pattern = self.chance.one_of(&SENT_TO);
                let user = self.number(who, pattern);
                self.do_so(who, Command::Consult { to, user });
            }
            12 if self.chance.below(3) == 0 => self.do_so(who, Command::Park),
            12 => self.do_so(who, Command::Swap),
            13 => self.do_so(who, Command::Join),
            14 => {
                let code = self.chance.one_of(&CODES_IN_TALK);
                let pattern = self.chance.one_of(&SENT_TO);
                let number = self.number(who, pattern);
                let keys = code.replace('N', &number);
                self.press(who, &keys);
            }
            15 => self.take_place_of_another(who),
            _ => {
                let keys = self.chance.one_of(&["0", "1", "3", "4", "*", "#"]);
                self.press(who, keys);
            }
        }
    }

    /// Keys at a human pace.
    fn press(&mut self, who: Somebody, keys: &str) {
        self.note(who.name, &format!("presses {keys}"));
        for key in keys.chars() {
            self.stage.press(who.peer, key);
            self.stage.run(millis(220));
        }
    }

    /// INVITE with Replaces by a phone that is free, for somebody else's call (RFC 3891).
    fn take_place_of_another(&mut self, who: Somebody) {
        let Some(replaces) = self.stage.world.peer(who.peer).replaces() else { return };
        let phones = self.people.iter().filter(|other| matches!(other.is, Is::Agent | Is::Supervisor));
        let free =
            phones.filter(|other| other.peer != who.peer && !self.stage.world.peer(other.peer).is_in_call());
        let free: Vec<Somebody> = free.copied().collect();
        if free.is_empty() {
            return;
        }
        let taker = self.chance.one_of(&free);
        let (to, user) = (self.stage.world.switch(1), who.name.to_owned());
        self.note(taker.name, &format!("takes the place of {} by Replaces", who.name));
        self.stage.tell(taker.peer, Command::CallInPlace { to, user, replaces });
    }

    /// How somebody behaves when called.
    fn change_habits(&mut self, who: Somebody) {
        let behaviour = match self.chance.below(8) {
            0 => Behaviour::Ring,
            1 => Behaviour::Refuse(486),
            2 => Behaviour::Refuse(603),
            3 => Behaviour::AnswerAfter(millis(0)),
            4 => Behaviour::AnswerAfter(millis(9_990)),
            _ => Behaviour::AnswerAfter(millis(1_200)),
        };
        self.note(who.name, &format!("when called: {behaviour:?}"));
        self.stage.world.behave(who.peer, behaviour);
    }

    /// The network, the registration, the microphone.
    fn something_breaks(&mut self, who: Somebody) {
        match self.chance.below(4) {
            0 => {
                let length = millis(self.chance.below(25_000));
                self.note(who.name, &format!("is lost for {length:?}"));
                self.stage.world.unplug(who.peer);
                self.stage.run(length);
                self.stage.world.plug(who.peer);
            }
            1 => self.do_so(who, Command::Say(Sound::Nothing)),
            2 if matches!(who.is, Is::Agent | Is::Supervisor) => self.do_so(who, Command::Unregister),
            _ if matches!(who.is, Is::Agent | Is::Supervisor) => {
                let registrar = self.stage.world.switch(1);
                self.do_so(who, Command::Register { registrar, expires: seconds(600) });
            }
            _ => {}
        }
    }

    fn operator_does(&mut self) {
        let calls = self.stage.world.calls();
        let call = (!calls.is_empty()).then(|| calls[self.chance.below(calls.len() as u64) as usize].id);
        let name = self.chance.one_of(&["8001", "8002", "8003"]);
        match (self.chance.below(8), call) {
            (0, _) => {
                let state = match self.chance.below(6) {
                    0 => AgentState::Offline,
                    1 => AgentState::Busy,
                    2 => AgentState::Break { reason: "会议".into() },
                    _ => AgentState::Ready,
                };
                self.note(name, &format!("is {state:?}"));
                self.stage.choose(name, state);
            }
            (1, Some(call)) if self.chance.below(3) == 0 => {
                self.note("operator", &format!("ends {call}"));
                self.stage.world.hang_up(call);
            }
            (1 | 2, Some(call)) => {
                let to = self.chance.one_of(&["8001", "8002", "queue:plain", "queue:tight", "913900139000"]);
                self.note("operator", &format!("sends {call} to {to}"));
                self.stage.world.transfer(call, to);
            }
            (3 | 4, Some(call)) => {
                let verb = self.chance.one_of(&Verb::ALL[..4]);
                self.note("operator", &format!("9001 {verb:?} {call}"));
                self.stage.world.supervise(call, &agent("9001"), verb);
            }
            (5, _) => {
                let to = self.chance.one_of(&["8001", "8002", "9001", "13900139000", "13900139000"]);
                let first = self.chance.one_of(&[First::Agent, First::Number]);
                self.note("operator", &format!("joins {name} with {to}, {first:?} first"));
                drop(self.stage.world.originate(&agent(name), to, first));
            }
            (6, _) => self.operator_confers(),
            (7, Some(call)) => {
                let keep = self.chance.one_of(&[call::Keep::Nothing, call::Keep::Sound]);
                self.note("operator", &format!("{keep:?} of {call} is kept"));
                self.stage.world.keep(call, keep);
            }
            _ => {}
        }
    }

    fn operator_confers(&mut self) {
        let conferences = self.stage.world.conferences();
        let Some(room) = conferences.first() else { return };
        let member = room.members.first().map(|member| member.call);
        let wish = match (self.chance.below(6), member) {
            (0, Some(member)) => ConferenceWish::Mute(member),
            (1, Some(member)) => ConferenceWish::Unmute(member),
            (2, Some(member)) => ConferenceWish::Remove(member),
            (3, _) => ConferenceWish::Lock,
            (4, _) => ConferenceWish::Unlock,
            _ => ConferenceWish::End,
        };
        self.note("operator", &format!("conference: {wish:?}"));
        self.stage.world.confer(room.name.clone(), wish);
    }
}
