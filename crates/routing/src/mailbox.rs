//! Owns what an operator sets for mailboxes, and which messages lie in them. Does not own the call in which one is left (see
//! `call`), its sound (see `media`), nor where it is kept over a restart (see `store`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use clock::WallTime;
use model::say::SayItem;
use model::voicemail::Message;
use model::{MailboxName, RecordingId, TenantId};

use crate::{Phone, Plan};

/// A mailbox (语音信箱).
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// Its name; where it has digits alone, what is dialled behind the codes.
    pub name: MailboxName,
    /// The PIN by which other phones open it; None: they do not.
    pub pin: Option<Arc<str>>,
    /// Its owners' phones give the PIN too.
    pub own_phone_asks: bool,
    /// Said before the beep.
    pub greeting: Vec<SayItem>,
    /// The longest message.
    pub longest: Duration,
    /// What is shorter is not kept.
    pub shortest: Duration,
    /// Who is silent for so long has spoken; None: goes on until a key, or the longest.
    pub silence: Option<Duration>,
    /// Who has spoken may hear the message, and speak it anew.
    pub review: bool,
    /// Messages at a time; who calls then cannot leave one.
    pub most: usize,
    /// How long a message lies there; None: until it is deleted.
    pub keep: Option<Duration>,
}

/// How many messages lie in a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Not yet heard.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
}

/// The messages in all mailboxes of a node.
#[derive(Debug, Default)]
pub struct Mailboxes {
    boxes: HashMap<MailboxName, Vec<Message>>,
}

impl Mailboxes {
    /// Puts a message into `mailbox`.
    pub fn put(&mut self, mailbox: &MailboxName, message: Message) {
        let messages = self.boxes.entry(mailbox.clone()).or_default();
        messages.retain(|known| known.recording != message.recording);
        messages.push(message);
    }

    /// The messages in `mailbox`, oldest first.
    pub fn of(&self, mailbox: &MailboxName) -> &[Message] {
        self.boxes.get(mailbox).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many messages lie in `mailbox`.
    pub fn waiting(&self, mailbox: &MailboxName) -> Waiting {
        let count = |heard| self.of(mailbox).iter().filter(|one| one.heard == heard).count();
        let count = |heard| u32::try_from(count(heard)).unwrap_or(u32::MAX);
        Waiting { new: count(false), old: count(true) }
    }

    /// Whether `mailbox` takes another message.
    pub fn has_room(&self, mailbox: &Mailbox) -> bool {
        self.of(&mailbox.name).len() < mailbox.most
    }

    /// A message was heard; says whether that is new.
    pub fn heard(&mut self, mailbox: &MailboxName, message: RecordingId) -> bool {
        let messages = self.boxes.get_mut(mailbox).map(Vec::as_mut_slice).unwrap_or_default();
        let found = messages.iter_mut().find(|one| one.recording == message && !one.heard);
        found.map(|one| one.heard = true).is_some()
    }

    /// Takes a message out; says whether it was there.
    pub fn take_out(&mut self, mailbox: &MailboxName, message: RecordingId) -> bool {
        let Some(messages) = self.boxes.get_mut(mailbox) else { return false };
        let before = messages.len();
        messages.retain(|one| one.recording != message);
        let was_there = messages.len() < before;
        if messages.is_empty() {
            self.boxes.remove(mailbox);
        }
        was_there
    }

    /// Takes out what lies there for longer than its mailbox keeps messages.
    pub fn expire(&mut self, plan: &Plan, now: WallTime) -> Vec<(MailboxName, RecordingId)> {
        let old = |mailbox: &Mailbox| {
            let keep = mailbox.keep;
            let messages = self.of(&mailbox.name).iter();
            let over = messages.filter(move |one| keep.is_some_and(|keep| now.since(one.began) > keep));
            over.map(|one| (mailbox.name.clone(), one.recording)).collect::<Vec<_>>()
        };
        let over: Vec<_> = plan.mailboxes.values().flat_map(|mailbox| old(mailbox)).collect();
        for (mailbox, message) in &over {
            self.take_out(mailbox, *message);
        }
        over
    }
}

impl Plan {
    /// The mailbox of `tenant` that is meant by what is dialled behind a code; nothing behind it: that of `phone`.
    pub fn mailbox_dialled(
        &self,
        phone: Option<&Phone>,
        tenant: &TenantId,
        behind: &str,
    ) -> Option<&Arc<Mailbox>> {
        if behind.is_empty() {
            return self.mailboxes.get(phone?.mailbox.as_ref()?);
        }
        let own = |phone: &&Phone| phone.tenant == *tenant && phone.aor.user() == behind;
        let name = MailboxName::new(tenant, behind);
        let of_phone = || self.phones.iter().find(own)?.mailbox.as_ref();
        self.mailboxes.get(&name).or_else(|| self.mailboxes.get(of_phone()?))
    }

    /// The phones on which `mailbox` shows its messages.
    pub fn owners_of(&self, mailbox: &MailboxName) -> impl Iterator<Item = &Phone> {
        self.phones.iter().filter(move |phone| phone.mailbox.as_ref() == Some(mailbox))
    }
}

#[cfg(test)]
mod tests {
    use model::CallId;

    use super::*;
    use crate::fixtures::plan;

    fn message(number: u64, began: WallTime) -> Message {
        let (recording, call) = (RecordingId::from(number), CallId::from(number));
        Message { recording, call, caller: "13800138000".into(), began, millis: Some(5_000), heard: false }
    }

    #[test]
    fn messages_are_counted_heard_and_taken_out() {
        let name = MailboxName::new(&TenantId::default(), "8001");
        let mailbox = Mailbox {
            name: name.clone(),
            pin: None,
            own_phone_asks: false,
            greeting: Vec::new(),
            longest: Duration::from_secs(60),
            shortest: Duration::from_secs(2),
            silence: None,
            review: false,
            most: 2,
            keep: Some(Duration::from_secs(10)),
        };
        let mut boxes = Mailboxes::default();
        boxes.put(&name, message(1, WallTime(0)));
        assert!(boxes.has_room(&mailbox));
        boxes.put(&name, message(2, WallTime(9_000_000)));
        boxes.put(&name, message(2, WallTime(9_000_000)));
        assert!(!boxes.has_room(&mailbox));
        assert_eq!(boxes.waiting(&name), Waiting { new: 2, old: 0 });
        assert!(boxes.heard(&name, RecordingId::from(2)) && !boxes.heard(&name, RecordingId::from(2)));
        assert_eq!(boxes.waiting(&name), Waiting { new: 1, old: 1 });
        let mut plan = plan(vec![], vec![], vec![]);
        plan.mailboxes.insert(name.clone(), Arc::new(mailbox));
        assert!(boxes.expire(&plan, WallTime(10_000_000)).is_empty());
        assert_eq!(boxes.expire(&plan, WallTime(10_000_001)), [(name.clone(), RecordingId::from(1))]);
        assert!(boxes.take_out(&name, RecordingId::from(2)) && !boxes.take_out(&name, RecordingId::from(2)));
        assert_eq!(boxes.waiting(&name), Waiting::default());
    }
}
