//! Owns the rows of voice messages: what events make of them, and how they are read at a start. Does not own their sound
//! (see `media-net`) nor who hears them (see `call`).

use clock::WallTime;
use model::event::{CallFact, Event, Stamped};
use model::voicemail::{MailboxFact, Message, MessageFate};
use model::{MailboxName, RecordingId, TenantId};
use sqlx::SqliteConnection;

use crate::{Store, StoreError};

/// What an event changes in the rows of messages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MessageChange {
    /// It is being left: from here on it is there, even if nothing more is heard of its call.
    Began(MailboxName, Message),
    /// It is so many milliseconds long.
    Ended(RecordingId, u64),
    Heard(RecordingId),
    Gone(RecordingId),
}

impl MessageChange {
    /// What `stamped` changes, if anything.
    pub fn of(stamped: &Stamped) -> Option<MessageChange> {
        match &stamped.event {
            Event::Call {
                call, fact: CallFact::MessageBegan { mailbox, message, caller, began }, ..
            } => {
                let (recording, call, caller, began) = (*message, *call, caller.clone(), *began);
                let message = Message { recording, call, caller, began, millis: None, heard: false };
                Some(MessageChange::Began(mailbox.clone(), message))
            }
            Event::Call { fact: CallFact::MessageEnded { message, fate, millis }, .. } => Some(match fate {
                MessageFate::Kept => MessageChange::Ended(*message, *millis),
                MessageFate::TooShort => MessageChange::Gone(*message),
            }),
            Event::Mailbox { fact, .. } => match fact {
                MailboxFact::Heard { message, .. } => Some(MessageChange::Heard(*message)),
                MailboxFact::Deleted { message, .. } | MailboxFact::Expired { message } => {
                    Some(MessageChange::Gone(*message))
                }
                MailboxFact::Refused { .. } => None,
            },
            _ => None,
        }
    }

    /// Writes it. The same change once more changes nothing.
    pub async fn write(&self, to: &mut SqliteConnection) -> Result<(), StoreError> {
        let question = match self {
            MessageChange::Began(mailbox, message) => sqlx::query(
                "INSERT OR IGNORE INTO message (recording, tenant, mailbox, call, caller, began, millis, heard) VALUES \
                 (?, ?, ?, ?, ?, ?, NULL, 0)",
            )
            .bind(message.recording.to_string())
            .bind(mailbox.tenant.to_string())
            .bind(mailbox.as_str().to_owned())
            .bind(message.call.to_string())
            .bind(message.caller.to_string())
            .bind(message.began.0),
            MessageChange::Ended(message, millis) => {
                sqlx::query("UPDATE message SET millis = ? WHERE recording = ?")
                    .bind(i64::try_from(*millis).unwrap_or(i64::MAX))
                    .bind(message.to_string())
            }
            MessageChange::Heard(message) => {
                sqlx::query("UPDATE message SET heard = 1 WHERE recording = ?").bind(message.to_string())
            }
            MessageChange::Gone(message) => {
                sqlx::query("DELETE FROM message WHERE recording = ?").bind(message.to_string())
            }
        };
        question.execute(to).await?;
        Ok(())
    }
}

impl Store {
    /// All messages of all mailboxes, oldest first. The length of one whose call was cut off is that of its recording, as
    /// soon as its file is made.
    ///
    /// # Errors
    /// When the database fails or a row cannot be read.
    pub async fn messages(&self) -> Result<Vec<(MailboxName, Message)>, StoreError> {
        type Row = (String, String, String, String, String, i64, Option<i64>, bool);
        let question = "SELECT message.recording, message.tenant, mailbox, message.call, caller, message.began, \
                        coalesce(message.millis, recording.millis), heard FROM message LEFT JOIN recording ON \
                        recording.id = message.recording ORDER BY message.began";
        let rows: Vec<Row> = sqlx::query_as(question).fetch_all(&self.read).await?;
        rows.into_iter().map(read).collect()
    }
}

fn read(
    (recording, tenant, mailbox, call, caller, began, millis, heard): (
        String,
        String,
        String,
        String,
        String,
        i64,
        Option<i64>,
        bool,
    ),
) -> Result<(MailboxName, Message), StoreError> {
    let content = |error: model::ParseIdError| StoreError::Content {
        what: format!("message {recording}"),
        source: serde::de::Error::custom(error),
    };
    let message = Message {
        recording: recording.parse().map_err(content)?,
        call: call.parse().map_err(content)?,
        caller: caller.into(),
        began: WallTime(began),
        millis: millis.and_then(|millis| u64::try_from(millis).ok()),
        heard,
    };
    Ok((MailboxName::new(&TenantId::new(&tenant), &mailbox), message))
}

#[cfg(test)]
mod tests {
    use ledger::story::Story;
    use model::CallId;

    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn a_message_is_there_from_its_first_second_until_it_is_taken_out() {
        let dir = Scratch::new();
        let store = Store::open(&dir).await.unwrap();
        let mailbox = MailboxName::new(&TenantId::default(), "8001");
        let mut story = Story::default();
        let (call, ids): (CallId, [RecordingId; 3]) = (story.mint(), std::array::from_fn(|_| story.mint()));
        let (began, caller) = (story.now(), std::sync::Arc::from("13800138000"));
        for message in ids {
            let (mailbox, caller) = (mailbox.clone(), std::sync::Arc::clone(&caller));
            story.fact(call, CallFact::MessageBegan { mailbox, message, caller, began });
        }
        let ended = |message, fate| CallFact::MessageEnded { message, fate, millis: 4_000 };
        story.fact(call, ended(ids[0], MessageFate::Kept)).fact(call, ended(ids[1], MessageFate::TooShort));
        let by = || "8001".into();
        let heard = MailboxFact::Heard { message: ids[0], by: by() };
        story.tell(Event::Mailbox { mailbox: mailbox.clone(), fact: heard });
        let write = async |events: &[Stamped]| {
            let mut transaction = store.writer().unwrap().begin_with("BEGIN IMMEDIATE").await.unwrap();
            for change in events.iter().filter_map(MessageChange::of) {
                // Twice: a fold that is taken up again may say it again.
                change.write(&mut transaction).await.unwrap();
                change.write(&mut transaction).await.unwrap();
            }
            transaction.commit().await.unwrap();
        };
        write(&story.events).await;
        let seen = async || {
            let messages = store.messages().await.unwrap();
            messages.iter().map(|(_, one)| (one.recording, one.millis, one.heard)).collect::<Vec<_>>()
        };
        // The third one's call was cut off: it is there.
        let mut expected = vec![(ids[0], Some(4_000), true), (ids[2], None, false)];
        expected.sort_by_key(|(recording, ..)| *recording);
        let mut found = seen().await;
        found.sort_by_key(|(recording, ..)| *recording);
        assert_eq!(found, expected);
        story.events.clear();
        for fact in
            [MailboxFact::Deleted { message: ids[0], by: by() }, MailboxFact::Expired { message: ids[2] }]
        {
            story.tell(Event::Mailbox { mailbox: mailbox.clone(), fact });
        }
        write(&story.events).await;
        assert!(seen().await.is_empty());
    }
}
