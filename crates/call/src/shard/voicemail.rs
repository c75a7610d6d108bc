//! Owns what operators do with mailboxes, and what is over in them by time. Does not own a call in which one is heard (see
//! `call::voicemail`).

use std::sync::Arc;

use clock::Instant;
use model::command::MessageDeed;
use model::event::Event;
use model::voicemail::{MailboxFact, Message};
use model::{MailboxName, RecordingId};

use super::Shard;
use crate::Output;

impl Shard {
    /// The messages in a mailbox, oldest first.
    pub fn messages(&self, mailbox: &MailboxName) -> Vec<Message> {
        self.node.mailboxes.lock().of(mailbox).to_vec()
    }

    /// An operator does something with a message.
    pub(super) fn deal_with_message(
        &mut self,
        mailbox: &MailboxName,
        message: RecordingId,
        deed: MessageDeed,
        by: Arc<str>,
    ) {
        let mut boxes = self.node.mailboxes.lock();
        let (changed, fact) = match deed {
            MessageDeed::Heard => (boxes.heard(mailbox, message), MailboxFact::Heard { message, by }),
            MessageDeed::Delete => (boxes.take_out(mailbox, message), MailboxFact::Deleted { message, by }),
        };
        drop(boxes);
        if changed {
            self.tell_mailbox(mailbox.clone(), fact);
        }
    }

    /// What lies in a mailbox for longer than it keeps messages is taken out.
    pub(super) fn tidy_mailboxes(&mut self, now: Instant) {
        let wall = self.anchor.wall(now);
        let over = self.node.mailboxes.lock().expire(&self.settings.plan, wall);
        for (mailbox, message) in over {
            self.tell_mailbox(mailbox, MailboxFact::Expired { message });
        }
    }

    fn tell_mailbox(&mut self, mailbox: MailboxName, fact: MailboxFact) {
        self.out.push_back(Output::Event(Event::Mailbox { mailbox: mailbox.clone(), fact }));
        self.out.push_back(Output::MailboxChanged(mailbox));
    }
}
