//! Owns how somebody listens to a mailbox: PIN, count, each message with its time and caller, and the keys. Does not own which
//! messages there are nor their sound (see `call`, `media`).
//!
//! ```text
//!            1 Begin            2 PIN right          4 key, end              5 message heard
//!  Waiting ─────────► PIN ─────────────────► Count ─────────────► Message ─────────────────► Menu
//!              │       │ 3 three wrong ▶ Ended                     ▲  ▲ 6 key 1: again         │
//!              └───────┼─────────▶ Count (no PIN)                  │  └────────────────────────┤
//!                      ▼                                           └──── 7 keys 2, 3, #: next ─┤
//!                    Ended ◀──────────────────────── 8 key *, no more messages, three silences ┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, Machine, WallTime};
use model::say::{CalendarDate, Key, SayItem, TimeOfDay};
use model::voicemail::Message;
use model::{PromptName, RecordingId, TenantId};

use crate::Input;

/// What a listener is told of, and by which PIN.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose.
    pub tenant: TenantId,
    /// Asked for before anything else; None: it is the listener's own phone.
    pub pin: Option<Arc<str>>,
    /// What lies in the mailbox.
    pub messages: Vec<Message>,
    /// Wall time.
    pub now: WallTime,
    /// Local time, in seconds east of UTC.
    pub utc_offset: i32,
}

/// One listener at one mailbox.
#[derive(Debug)]
pub struct Retrieval {
    opening: Opening,
    /// Which message is listened to.
    at: usize,
    state: State,
    /// When the silence that is being listened to ends.
    silence_at: Option<Instant>,
    last_play: u32,
    /// The playing that runs.
    playing: Option<u32>,
    out: VecDeque<RetrievalOutput>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is heard yet.
    Waiting,
    /// (1) The PIN is keyed, for the so-many-eth time.
    Pin {
        typed: String,
        tries: u8,
    },
    /// (2) How many messages there are is said.
    Count,
    /// (4) A message is heard.
    Message,
    /// (5) What to do with it is asked, for the so-many-eth time.
    Menu {
        asked: u8,
    },
    /// The last words are said.
    Leaving,
    Ended,
}

/// What a listener asks for. `call` carries it out.
#[derive(Clone, Debug, PartialEq)]
pub enum RetrievalOutput {
    /// Play; answered by `Played` or `NotPlayed` with the same number.
    Play {
        /// This playing.
        play: u32,
        /// What.
        items: Vec<SayItem>,
    },
    /// Stop what plays; answered by `Played`.
    StopPlay,
    /// A secret is keyed from here.
    Mask,
    /// It was keyed.
    Unmask,
    /// A message was heard to its end, or is to count so.
    Heard(RecordingId),
    /// A message is to be taken out.
    Delete(RecordingId),
    /// The PIN was wrong once more.
    WrongPin,
    /// The listener is done.
    Over,
}

impl Retrieval {
    /// A listener who will hear the mailbox from [`Input::Begin`] on: what is new first, each in the order it came.
    pub fn new(mut opening: Opening) -> Retrieval {
        opening.messages.sort_by_key(|message| (message.heard, message.began));
        Retrieval {
            opening,
            at: 0,
            state: State::Waiting,
            silence_at: None,
            last_play: 0,
            playing: None,
            out: VecDeque::new(),
        }
    }

    fn prompt(&self, name: &str) -> SayItem {
        SayItem::Prompt(PromptName::new(&self.opening.tenant, name))
    }

    fn say(&mut self, items: Vec<SayItem>) {
        self.last_play += 1;
        self.playing = Some(self.last_play);
        self.silence_at = None;
        self.out.push_back(RetrievalOutput::Play { play: self.last_play, items });
    }

    fn hush(&mut self) {
        if self.playing.take().is_some() {
            self.out.push_back(RetrievalOutput::StopPlay);
        }
        self.silence_at = None;
    }

    fn begin(&mut self) {
        if self.opening.pin.is_none() {
            return self.count();
        }
        self.out.push_back(RetrievalOutput::Mask);
        self.ask_pin(1, "pin_enter");
    }

    fn ask_pin(&mut self, tries: u8, prompt: &str) {
        self.state = State::Pin { typed: String::new(), tries };
        self.say(vec![self.prompt(prompt)]);
    }

    fn pin_ended(&mut self) {
        let State::Pin { typed, tries } = &self.state else { return };
        let (right, tries) = (self.opening.pin.as_deref() == Some(typed.as_str()), *tries);
        if right {
            self.out.push_back(RetrievalOutput::Unmask);
            return self.count();
        }
        self.out.push_back(RetrievalOutput::WrongPin);
        if tries < PIN_TRIES {
            return self.ask_pin(tries + 1, "pin_wrong");
        }
        self.out.push_back(RetrievalOutput::Unmask);
        self.leave("ivr_bye_err");
    }

    fn count(&mut self) {
        let new = self.opening.messages.iter().filter(|message| !message.heard).count();
        if self.opening.messages.is_empty() {
            return self.leave("vm_none");
        }
        self.state = State::Count;
        let number = SayItem::Number(i64::try_from(new).unwrap_or(i64::MAX));
        self.say(vec![self.prompt("vm_count_pre"), number, self.prompt("vm_count_post")]);
    }

    /// (4), (6) Says when the message was left, by whom, and what.
    fn message(&mut self) {
        let Some(message) = self.opening.messages.get(self.at) else { return self.leave("vm_end") };
        let mut items = self.when(message.began);
        items.push(SayItem::Pause(200));
        if message.caller.chars().any(|c| c.is_ascii_digit()) {
            items.push(self.prompt("vm_from"));
            items.push(SayItem::Digits(message.caller.to_string()));
        }
        items.push(SayItem::Pause(400));
        items.push(SayItem::Recorded { recording: message.recording, began: message.began });
        self.state = State::Message;
        self.say(items);
    }

    /// The time of day; the day too where it was another.
    fn when(&self, at: WallTime) -> Vec<SayItem> {
        let local = |at: WallTime| at.as_secs() + i64::from(self.opening.utc_offset);
        let (then, now) = (local(at), local(self.opening.now));
        let mut items = Vec::new();
        if then.div_euclid(DAY) != now.div_euclid(DAY) {
            items.extend(CalendarDate::of_epoch_day(then.div_euclid(DAY)).map(SayItem::Date));
        }
        let minute = then.rem_euclid(DAY) / 60;
        let (hour, minute) = (u8::try_from(minute / 60), u8::try_from(minute % 60));
        if let (Ok(hour), Ok(minute)) = (hour, minute) {
            items.extend(TimeOfDay::new(hour, minute).map(SayItem::Time));
        }
        items
    }

    fn menu(&mut self, asked: u8, before: Option<&str>) {
        self.state = State::Menu { asked };
        let before = before.map(|name| self.prompt(name));
        let items = before.into_iter().chain([self.prompt("vm_menu")]).collect();
        self.say(items);
    }

    fn leave(&mut self, prompt: &str) {
        self.state = State::Leaving;
        self.say(vec![self.prompt(prompt)]);
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.hush();
        self.out.push_back(RetrievalOutput::Over);
    }

    fn key(&mut self, now: Instant, key: Key) {
        match &mut self.state {
            State::Waiting | State::Leaving | State::Ended => {}
            State::Pin { typed, .. } => {
                let ends = key.as_char() == '#';
                if !ends {
                    typed.push(key.as_char());
                }
                let full = typed.len() >= LONGEST_PIN;
                self.hush();
                if ends || full { self.pin_ended() } else { self.silence_at = Some(now + BETWEEN_DIGITS) }
            }
            State::Count => {
                self.hush();
                if key.as_char() == '*' { self.end() } else { self.message() }
            }
            State::Message | State::Menu { .. } => {
                self.hush();
                self.act(key);
            }
        }
    }

    fn act(&mut self, key: Key) {
        let Some(message) = self.opening.messages.get(self.at).map(|message| message.recording) else {
            return self.end();
        };
        match key.as_char() {
            '1' => self.message(),
            '2' => {
                self.out.push_back(RetrievalOutput::Heard(message));
                self.next();
            }
            '3' => {
                self.out.push_back(RetrievalOutput::Delete(message));
                self.next();
            }
            '#' => self.next(),
            '*' => self.end(),
            _ => self.menu(1, Some("ivr_invalid")),
        }
    }

    fn next(&mut self) {
        self.at += 1;
        self.message();
    }

    fn said(&mut self, now: Instant, to_its_end: bool) {
        match &self.state {
            State::Count => self.message(),
            State::Message => {
                if let Some(message) = self.opening.messages.get(self.at).filter(|_| to_its_end) {
                    self.out.push_back(RetrievalOutput::Heard(message.recording));
                }
                self.menu(1, (!to_its_end).then_some("unavailable"));
            }
            State::Pin { .. } | State::Menu { .. } => self.silence_at = Some(now + SILENCE),
            State::Leaving => self.end(),
            State::Waiting | State::Ended => {}
        }
    }

    fn silence(&mut self) {
        match &self.state {
            State::Pin { typed, .. } if !typed.is_empty() => self.pin_ended(),
            State::Pin { .. } => {
                self.out.push_back(RetrievalOutput::Unmask);
                self.end();
            }
            State::Menu { asked } if *asked < MENUS => self.menu(asked + 1, None),
            State::Menu { .. } => self.end(),
            _ => {}
        }
    }
}

impl Machine for Retrieval {
    type Input = Input;
    type Output = RetrievalOutput;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Begin if self.state == State::Waiting => self.begin(),
            Input::Key(key) => self.key(now, key),
            Input::Played { play } if self.playing == Some(play) => {
                self.playing = None;
                self.said(now, true);
            }
            Input::NotPlayed { play } if self.playing == Some(play) => {
                self.playing = None;
                self.said(now, false);
            }
            // A playing that was stopped reports its end when something else is said already.
            Input::Begin | Input::Played { .. } | Input::NotPlayed { .. } | Input::Resumed(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.silence_at.is_some_and(|at| at <= now) {
            self.silence_at = None;
            self.silence();
        }
    }

    fn poll_output(&mut self) -> Option<RetrievalOutput> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.silence_at
    }
}

const DAY: i64 = 86_400;
const PIN_TRIES: u8 = 3;
const LONGEST_PIN: usize = 32;
/// How often the menu is said.
const MENUS: u8 = 3;
const SILENCE: Duration = Duration::from_secs(5);
const BETWEEN_DIGITS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use model::CallId;

    use super::*;

    const T: Instant = Instant::ZERO;

    fn message(number: u64, heard: bool) -> Message {
        let began = WallTime(i64::try_from(number).unwrap() * 1_000_000);
        let (recording, call) = (RecordingId::from(number), CallId::from(number));
        Message { recording, call, caller: "13800138000".into(), began, millis: Some(9_000), heard }
    }

    fn opened(pin: Option<&str>, messages: Vec<Message>) -> Retrieval {
        let opening = Opening {
            tenant: TenantId::default(),
            pin: pin.map(Arc::from),
            messages,
            now: WallTime(5_000_000),
            utc_offset: 8 * 3_600,
        };
        let mut retrieval = Retrieval::new(opening);
        retrieval.handle(T, Input::Begin);
        retrieval
    }

    /// What it asked for: prompts by name, messages as `msg N`, else the wish.
    fn said(retrieval: &mut Retrieval) -> String {
        let word = |item: &SayItem| match item {
            SayItem::Prompt(name) => Some(name.as_str().to_owned()),
            SayItem::Number(number) => Some(number.to_string()),
            SayItem::Recorded { recording, .. } => Some(format!("msg {}", recording.raw())),
            _ => None,
        };
        let mut words = Vec::new();
        while let Some(output) = retrieval.poll_output() {
            match output {
                RetrievalOutput::Play { items, .. } => words.extend(items.iter().filter_map(word)),
                RetrievalOutput::Heard(id) => words.push(format!("heard {}", id.raw())),
                RetrievalOutput::Delete(id) => words.push(format!("delete {}", id.raw())),
                other => words.push(format!("{other:?}")),
            }
        }
        words.join(", ")
    }

    fn press(retrieval: &mut Retrieval, keys: &str) {
        for key in keys.chars() {
            retrieval.handle(T, Input::Key(Key::from_char(key).unwrap()));
        }
    }

    fn played(retrieval: &mut Retrieval) {
        let play = retrieval.last_play;
        retrieval.handle(T, Input::Played { play });
    }

    #[test]
    fn what_is_new_is_heard_first_and_each_key_does_what_it_says() {
        let mut one = opened(None, vec![message(1, true), message(2, false), message(3, false)]);
        assert_eq!(said(&mut one), "vm_count_pre, 2, vm_count_post");
        played(&mut one);
        assert_eq!(said(&mut one), "vm_from, msg 2");
        played(&mut one);
        assert_eq!(said(&mut one), "heard 2, vm_menu");
        press(&mut one, "1");
        assert_eq!(said(&mut one), "StopPlay, vm_from, msg 2");
        press(&mut one, "3");
        assert_eq!(said(&mut one), "StopPlay, delete 2, vm_from, msg 3");
        // A message that was cut is not heard, but for who says so.
        press(&mut one, "#");
        assert_eq!(said(&mut one), "StopPlay, vm_from, msg 1");
        press(&mut one, "7");
        assert_eq!(said(&mut one), "StopPlay, ivr_invalid, vm_menu");
        press(&mut one, "2");
        assert_eq!(said(&mut one), "StopPlay, heard 1, vm_end");
        played(&mut one);
        assert_eq!(said(&mut one), "Over");
    }

    #[test]
    fn a_message_whose_sound_is_gone_is_not_heard_and_silence_ends() {
        let mut one = opened(None, vec![message(1, false)]);
        played(&mut one);
        said(&mut one);
        let play = one.last_play;
        one.handle(T, Input::NotPlayed { play });
        assert_eq!(said(&mut one), "unavailable, vm_menu");
        for expected in ["vm_menu", "vm_menu", "Over"] {
            played(&mut one);
            let due = one.poll_timeout().unwrap();
            one.handle_timeout(due);
            assert_eq!(said(&mut one), expected);
        }
    }

    #[test]
    fn the_pin_is_asked_for_three_times_and_masked() {
        let mut one = opened(Some("4711"), vec![message(1, false)]);
        assert_eq!(said(&mut one), "Mask, pin_enter");
        press(&mut one, "12#");
        assert_eq!(said(&mut one), "StopPlay, WrongPin, pin_wrong");
        press(&mut one, "4711#");
        assert_eq!(said(&mut one), "StopPlay, Unmask, vm_count_pre, 1, vm_count_post");
        let mut one = opened(Some("4711"), vec![message(1, false)]);
        press(&mut one, "1#2#3#");
        assert!(said(&mut one).ends_with("WrongPin, Unmask, ivr_bye_err"));
        press(&mut one, "4711#");
        played(&mut one);
        assert_eq!(said(&mut one), "Over");
    }

    #[test]
    fn an_empty_mailbox_says_so_and_a_star_leaves() {
        let mut one = opened(None, Vec::new());
        assert_eq!(said(&mut one), "vm_none");
        let mut one = opened(None, vec![message(1, false)]);
        said(&mut one);
        press(&mut one, "*");
        assert_eq!(said(&mut one), "StopPlay, Over");
    }

    #[test]
    fn the_day_is_said_of_a_message_of_another_day() {
        let one = opened(None, Vec::new());
        // 1970-01-01 08:00 in Beijing, and the day before at 23:30.
        assert!(
            matches!(one.when(WallTime(0))[..], [SayItem::Time(at)] if (at.hour(), at.minute()) == (8, 0))
        );
        let before = WallTime(-(8 * 3_600 + 1_800) * 1_000_000);
        let said = one.when(before);
        assert!(
            matches!(said[..], [SayItem::Date(day), SayItem::Time(_)] if (day.year(), day.day()) == (1969, 31))
        );
    }
}
