//! Owns a caller who leaves a message or hears a mailbox: greeting, beep, what is kept, and what becomes of it. Does not own
//! what a listener is asked (see `ivr::Retrieval`) nor which messages there are (see `routing::Mailboxes`).
//!
//! ```text
//!            1 room for it        2 greeting said: it is kept from here        4 #, longest, silence: kept
//!  TakeMessage ─────────▶ Greeting ──────────────▶ Speaking ─────────────▶ Reviewing ───────────▶ Closing ─▶ MessageLeft
//!       │ 3 full, disk        ▲                       │ 5 too short           │  ▲ 7 1: heard again  9 3, #, no key
//!       ▼                     └──────── Again ◀───────┤                       └──┘
//!   NoMessage                             ▲           └ 6 for the third time ─▶ NoMessage
//!                                         └───────────────────── 8 2: spoken anew
//!                a caller who hangs up while Speaking or Reviewing has left the message
//! ```

use std::sync::Arc;
use std::time::Duration;

use clock::{Instant, Machine, WallTime};
use ivr::{Opening, Parked, Retrieval, RetrievalOutput};
use media::command::{Command, Mark, MaskCause, PlayMode};
use model::event::{CallFact, Event};
use model::outcome::HungUpBy;
use model::say::{Key, SayItem, Tone};
use model::voicemail::{MailboxFact, Message, MessageFate};
use model::{LegId, MailboxName, PlayId, PromptName, RecordingId};
use routing::Mailbox;

use super::{Call, Playing, Stage};
use crate::Output;
use crate::context::Context;

/// A caller who leaves a message.
#[derive(Debug)]
pub(crate) struct Leaving {
    mailbox: Arc<Mailbox>,
    step: Step,
    /// How often what was said was too short.
    tries: u8,
    /// How often a message was begun.
    takes: u8,
    /// What is said at present.
    play: Option<PlayId>,
}

#[derive(Debug)]
enum Step {
    /// (1), (5) The greeting is said, or that it was too short.
    Greeting,
    /// (2) What the caller says is the message.
    Speaking { message: RecordingId, since: Instant, silent_since: Option<Instant> },
    /// (4) The message lies in the mailbox; the caller may hear it, or speak it anew, until then.
    Reviewing { message: RecordingId, began: WallTime, until: Option<Instant> },
    /// (9) The last words are said.
    Closing,
}

/// A caller who hears a mailbox.
#[derive(Debug)]
pub(crate) struct Listening {
    mailbox: Arc<Mailbox>,
    retrieval: Retrieval,
    play: Option<PlayId>,
}

impl Leaving {
    /// The recording of the message that is spoken.
    pub fn message(&self) -> Option<RecordingId> {
        match self.step {
            Step::Speaking { message, .. } => Some(message),
            Step::Greeting | Step::Reviewing { .. } | Step::Closing => None,
        }
    }

    fn due(&self) -> Option<Instant> {
        match self.step {
            Step::Speaking { since, silent_since, .. } => {
                let silent = silent_since.zip(self.mailbox.silence).map(|(since, most)| since + most);
                Some(silent.map_or(since + self.mailbox.longest, |at| at.min(since + self.mailbox.longest)))
            }
            Step::Reviewing { until, .. } => until,
            Step::Greeting | Step::Closing => None,
        }
    }
}

impl Call {
    /// When the message is as long as it may be, its caller or who is asked was silent for long enough.
    pub(super) fn voicemail_due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Leaving(leaving) => leaving.due(),
            Stage::Listening(listening) => listening.retrieval.poll_timeout(),
            _ => None,
        }
    }

    pub(super) fn voicemail_timeout(&mut self, context: &mut Context<'_>) {
        if self.voicemail_due().is_none_or(|due| due > context.now) {
            return;
        }
        match &mut self.stage {
            Stage::Leaving(leaving) => match leaving.step {
                Step::Reviewing { .. } => self.close_message(context),
                _ => self.message_spoken(context),
            },
            Stage::Listening(listening) => listening.retrieval.handle_timeout(context.now),
            _ => {}
        }
    }

    /// A `Voicemail` node, or a phone whose calls go to its mailbox.
    pub(super) fn take_message(&mut self, context: &mut Context<'_>, name: &MailboxName) {
        let mailbox = self.settings.plan.mailboxes.get(name).cloned();
        let mailbox = mailbox.ok_or("没有这个信箱 / no such mailbox");
        let mailbox = mailbox.and_then(|mailbox| match Call::takes_messages(context, &mailbox) {
            true => Ok(mailbox),
            false => Err("信箱已满或磁盘不可用 / the mailbox is full, or the disk takes nothing"),
        });
        let mailbox = match mailbox {
            Ok(mailbox) => mailbox,
            Err(why) => {
                self.note_reason(context, HungUpBy::Switch, Some(why.to_owned()));
                return self.resume_flow(context, Parked::NoMessage);
            }
        };
        self.answer_caller(context);
        let greeting = mailbox.greeting.clone();
        self.stage =
            Stage::Leaving(Leaving { mailbox, step: Step::Greeting, tries: 0, takes: 0, play: None });
        self.say_in_voicemail(context, greeting);
    }

    /// Whether a message can be left in `mailbox` now.
    pub(super) fn takes_messages(context: &Context<'_>, mailbox: &Mailbox) -> bool {
        context.mailboxes.lock().has_room(mailbox) && context.disk.keeps_recordings()
    }

    fn say_in_voicemail(&mut self, context: &mut Context<'_>, items: Vec<SayItem>) {
        if items.is_empty() {
            return self.voicemail_said(context);
        }
        let said = self.play_to_caller(context, Playing::Voicemail, items, PlayMode::Once);
        if let Stage::Leaving(leaving) = &mut self.stage {
            leaving.play = said;
        }
    }

    /// What was said to a caller who leaves a message is over.
    pub(super) fn voicemail_said(&mut self, context: &mut Context<'_>) {
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        leaving.play = None;
        match &mut leaving.step {
            Step::Greeting => self.begin_message(context),
            Step::Speaking { .. } => {}
            Step::Reviewing { until, .. } => *until = Some(context.now + ASKED_FOR),
            Step::Closing => self.resume_flow(context, Parked::MessageLeft),
        }
    }

    /// (2) R5: what the caller says is kept from the beep on.
    fn begin_message(&mut self, context: &mut Context<'_>) {
        let Some(caller) = self.caller.as_ref().map(|caller| caller.id) else { return };
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        let message: RecordingId = context.ids.mint();
        leaving.step = Step::Speaking { message, since: context.now, silent_since: None };
        leaving.takes = leaving.takes.saturating_add(1);
        let (tenant, mailbox) = (self.tenant.clone(), leaving.mailbox.name.clone());
        let started = context.anchor.wall(context.now);
        let (room, persons) = (self.id, Vec::new());
        context.media(Command::Record { room, recording: message, tenant, caller, persons, started });
        context.media(Command::Alarm { port: caller, after: Some(PAUSE) });
        self.fact(context, CallFact::RecordingBegan { recording: message });
        let caller = self.facts.caller.clone();
        self.fact(context, CallFact::MessageBegan { mailbox, message, caller, began: started });
        let beep = vec![SayItem::Tone(Tone::Beep)];
        self.play_to_caller(context, Playing::Background, beep, PlayMode::Once);
    }

    /// Who leaves a message has paused, or speaks again.
    pub(super) fn on_pause(&mut self, leg: LegId, pause: Option<Instant>) {
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        if let Step::Speaking { since, silent_since, .. } = &mut leaving.step
            && self.caller.as_ref().is_some_and(|caller| caller.id == leg)
        {
            // That no packet comes either is told in the middle of a silence.
            *silent_since = pause.map(|pause| silent_since.unwrap_or(pause).max(*since));
        }
    }

    /// (4), (5), (6) The caller pressed `#`, spoke for as long as one may, or was silent for as long as one may be.
    fn message_spoken(&mut self, context: &mut Context<'_>) {
        let Some((message, began, fate)) = self.end_message(context) else { return };
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        match fate {
            MessageFate::Kept if leaving.mailbox.review => {
                leaving.step = Step::Reviewing { message, began, until: None };
                let asked = self.prompt("vm_opts");
                self.say_in_voicemail(context, vec![asked]);
            }
            MessageFate::Kept => self.close_message(context),
            MessageFate::TooShort if leaving.tries + 1 < TRIES => {
                leaving.tries += 1;
                leaving.step = Step::Greeting;
                let again = self.prompt("vm_short");
                self.say_in_voicemail(context, vec![again]);
            }
            MessageFate::TooShort => self.resume_flow(context, Parked::NoMessage),
        }
    }

    /// (9) The message stays.
    fn close_message(&mut self, context: &mut Context<'_>) {
        let saved = self.prompt("vm_saved");
        if let Stage::Leaving(leaving) = &mut self.stage {
            leaving.step = Step::Closing;
            self.say_in_voicemail(context, vec![saved]);
        }
    }

    /// (7), (8), (9) Who has left a message pressed `key`.
    fn on_review_key(&mut self, context: &mut Context<'_>, key: Key) {
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        let Step::Reviewing { message: recording, began, .. } = leaving.step else { return };
        leaving.step = Step::Reviewing { message: recording, began, until: None };
        let may_speak_anew = leaving.takes < MOST_TAKES;
        match key.as_char() {
            '3' | '#' => self.close_message(context),
            '2' if may_speak_anew => self.speak_anew(context, recording),
            '1' => {
                let items = vec![SayItem::Recorded { recording, began }, self.prompt("vm_opts")];
                self.say_in_voicemail(context, items);
            }
            _ => {
                let asked = self.prompt("vm_opts");
                self.say_in_voicemail(context, vec![asked]);
            }
        }
    }

    /// (8) The message is thrown away for another.
    fn speak_anew(&mut self, context: &mut Context<'_>, message: RecordingId) {
        let Stage::Leaving(leaving) = &mut self.stage else { return };
        leaving.step = Step::Greeting;
        let name = leaving.mailbox.name.clone();
        self.so_far.message = false;
        if context.mailboxes.lock().take_out(&name, message) {
            let by = self.facts.caller.clone();
            self.mailbox_fact(context, &name, MailboxFact::Deleted { message, by });
            context.out.push_back(Output::MailboxChanged(name));
        }
        self.begin_message(context);
    }

    fn prompt(&self, name: &str) -> SayItem {
        SayItem::Prompt(PromptName::new(&self.tenant, name))
    }

    /// The message that is spoken, if one is, lies in its mailbox from now on, or was too short: silence at its end is not
    /// counted, so that who says nothing leaves none. Which it is, and when it began.
    pub(super) fn end_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Option<(RecordingId, WallTime, MessageFate)> {
        let Stage::Leaving(leaving) = &mut self.stage else { return None };
        let Step::Speaking { message, since, silent_since } = leaving.step else { return None };
        leaving.step = Step::Closing;
        let mailbox = leaving.mailbox.clone();
        let length = context.now.since(since);
        let spoken = silent_since.unwrap_or(context.now).since(since);
        let fate = match spoken < mailbox.shortest.max(SHORTEST_WORD) {
            true => MessageFate::TooShort,
            false => MessageFate::Kept,
        };
        if let Some(caller) = &self.caller {
            context.media(Command::Alarm { port: caller.id, after: None });
        }
        context.media(Command::StopRecording { room: self.id, recording: message });
        self.fact(context, CallFact::RecordingEnded { recording: message });
        let millis = clock::millis(length);
        self.fact(context, CallFact::MessageEnded { message, fate, millis });
        let began = context.anchor.wall(since);
        if fate == MessageFate::Kept {
            self.so_far.message = true;
            let left = self.message(message, began, Some(millis));
            context.mailboxes.lock().put(&mailbox.name, left);
            context.out.push_back(Output::MailboxChanged(mailbox.name.clone()));
        }
        Some((message, began, fate))
    }

    /// The message that is spoken, as it stands when nobody can end it in order any more.
    pub fn open_message(&self, anchor: &clock::WallAnchor) -> Option<(MailboxName, Message)> {
        let Stage::Leaving(leaving) = &self.stage else { return None };
        let Step::Speaking { message: recording, since, .. } = leaving.step else { return None };
        Some((leaving.mailbox.name.clone(), self.message(recording, anchor.wall(since), None)))
    }

    /// A message of this caller that nobody has heard.
    fn message(&self, recording: RecordingId, began: WallTime, millis: Option<u64>) -> Message {
        let caller = self.facts.caller.clone();
        Message { recording, call: self.id, caller, began, millis, heard: false }
    }

    /// A `Mailbox` node: the caller hears what lies there.
    pub(super) fn open_mailbox(&mut self, context: &mut Context<'_>, name: &MailboxName) {
        let Some(mailbox) = self.settings.plan.mailboxes.get(name).cloned() else {
            return self.resume_flow(context, Parked::MailboxClosed);
        };
        let phone = self.facts.calling_phone.as_ref().and_then(|aor| context.router.phone(aor));
        let owns = phone.is_some_and(|phone| phone.mailbox.as_ref() == Some(name));
        let pin = match (owns && !mailbox.own_phone_asks, mailbox.pin.clone()) {
            (true, _) => None,
            (false, Some(pin)) => Some(pin),
            // R53: what is refused is told.
            (false, None) => {
                let why =
                    Arc::from("信箱没有密码, 只有自己的话机能听 / without a PIN only its own phones open it");
                let by = self.facts.caller.clone();
                self.mailbox_fact(context, name, MailboxFact::Refused { by, why });
                return self.resume_flow(context, Parked::MailboxClosed);
            }
        };
        self.answer_caller(context);
        let opening = Opening {
            tenant: self.tenant.clone(),
            pin,
            messages: context.mailboxes.lock().of(name).to_vec(),
            now: context.anchor.wall(context.now),
            utc_offset: context.utc_offset,
        };
        let mut retrieval = Retrieval::new(opening);
        retrieval.handle(context.now, ivr::Input::Begin);
        self.stage = Stage::Listening(Box::new(Listening { mailbox, retrieval, play: None }));
    }

    /// What a listener wants next.
    pub(super) fn next_of_listener(&mut self) -> Option<RetrievalOutput> {
        match &mut self.stage {
            Stage::Listening(listening) => listening.retrieval.poll_output(),
            _ => None,
        }
    }

    pub(super) fn on_listener(&mut self, context: &mut Context<'_>, output: RetrievalOutput) {
        let Stage::Listening(listening) = &mut self.stage else { return };
        let (name, by) = (listening.mailbox.name.clone(), self.facts.caller.clone());
        match output {
            RetrievalOutput::Play { play, items } => {
                let said = self.play_to_caller(context, Playing::Mailbox(play), items, PlayMode::Once);
                if let Stage::Listening(listening) = &mut self.stage {
                    listening.play = said;
                }
            }
            RetrievalOutput::StopPlay => {
                let play = listening.play.take();
                if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
                    self.stop_playing(context, port, play);
                }
            }
            RetrievalOutput::Mask => self.mask(context, Mark::Mask(MaskCause::Secret)),
            RetrievalOutput::Unmask => self.mask(context, Mark::Unmask(MaskCause::Secret)),
            RetrievalOutput::Heard(message) => {
                if context.mailboxes.lock().heard(&name, message) {
                    self.mailbox_fact(context, &name, MailboxFact::Heard { message, by });
                    context.out.push_back(Output::MailboxChanged(name));
                }
            }
            RetrievalOutput::Delete(message) => {
                if context.mailboxes.lock().take_out(&name, message) {
                    self.mailbox_fact(context, &name, MailboxFact::Deleted { message, by });
                    context.out.push_back(Output::MailboxChanged(name));
                }
            }
            RetrievalOutput::WrongPin => {
                let why = Arc::from("密码错误 / wrong PIN");
                self.mailbox_fact(context, &name, MailboxFact::Refused { by, why });
            }
            RetrievalOutput::Over => self.resume_flow(context, Parked::MailboxClosed),
        }
    }

    /// What was said to a listener is over.
    pub(super) fn listener_heard(&mut self, context: &Context<'_>, input: ivr::Input) {
        if let Stage::Listening(listening) = &mut self.stage {
            listening.retrieval.handle(context.now, input);
        }
    }

    /// A key of a caller who leaves a message, or hears a mailbox.
    pub(super) fn on_voicemail_key(&mut self, context: &mut Context<'_>, key: Key) {
        match &mut self.stage {
            Stage::Leaving(leaving) => match leaving.step {
                // Who knows the greeting goes on to the beep.
                Step::Greeting => {
                    if self.stop_voicemail(context) {
                        self.voicemail_said(context);
                    }
                }
                Step::Speaking { .. } if key.as_char() == '#' => self.message_spoken(context),
                Step::Reviewing { .. } => {
                    self.stop_voicemail(context);
                    self.on_review_key(context, key);
                }
                Step::Speaking { .. } | Step::Closing => {}
            },
            Stage::Listening(listening) => listening.retrieval.handle(context.now, ivr::Input::Key(key)),
            _ => {}
        }
    }

    /// What is said to who leaves a message stops; whether something was.
    fn stop_voicemail(&mut self, context: &mut Context<'_>) -> bool {
        let Stage::Leaving(leaving) = &mut self.stage else { return false };
        let play = leaving.play.take();
        if let (Some(play), Some(port)) = (play, self.caller.as_ref().map(|caller| caller.id)) {
            self.playing.remove(&play);
            self.stop_playing(context, port, Some(play));
        }
        play.is_some()
    }

    fn mailbox_fact(&self, context: &mut Context<'_>, mailbox: &MailboxName, fact: MailboxFact) {
        let mailbox = mailbox.clone();
        context.out.push_back(Output::Event(Event::Mailbox { mailbox, fact }));
    }
}

/// Who is not heard for so long has paused.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Less than this is no word, whatever the mailbox takes.
const SHORTEST_WORD: Duration = Duration::from_millis(300);
/// How often a message may be too short.
const TRIES: u8 = 3;
/// How often a caller may speak a message anew, too short ones included.
const MOST_TAKES: u8 = 8;
/// Who presses no key for so long after the question keeps the message.
const ASKED_FOR: Duration = Duration::from_secs(5);
