//! Owns `voicemail`: which messages lie in which mailbox, and taking one out. Does not own what lies there (see `call`).

use api::view::{MailboxView, VoiceMessageView};

use super::live::{refused, short};
use super::output::{self, Table};
use super::switch_client::speak;
use super::{Answer, Global, Voicemail};

/// Shows mailboxes, or does something with a message.
pub(crate) fn run(global: &Global, asked: Voicemail) -> anyhow::Result<Answer> {
    let done = match asked {
        Voicemail::List { mailbox } => return list(global, mailbox.as_deref()),
        Voicemail::Delete { mailbox, message } => {
            speak(global, |client| async move { client.delete_message(&mailbox, &message).await })
        }
        Voicemail::Heard { mailbox, message } => {
            speak(global, |client| async move { client.message_heard(&mailbox, &message).await })
        }
    };
    match done {
        Ok(()) if global.json => output::json(&serde_json::json!({ "ok": true }))?,
        Ok(()) => output::lines(["已执行 / done".to_owned()])?,
        Err(error) => return refused(error),
    }
    Ok(Answer::Yes)
}

fn list(global: &Global, only: Option<&str>) -> anyhow::Result<Answer> {
    let mut mailboxes = speak(global, |client| async move { client.mailboxes().await })?;
    if let Some(only) = only {
        mailboxes.retain(|one| one.name == only);
        if mailboxes.is_empty() {
            eprintln!("没有信箱 {only} / no such mailbox");
            return Ok(Answer::No);
        }
    }
    if global.json {
        output::json(&mailboxes)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["信箱", "新/旧", "时间", "主叫", "时长", "状态", "留言", "通话"]);
    mailboxes.iter().flat_map(rows).for_each(|row| table.row(row));
    table.print()?;
    Ok(Answer::Yes)
}

/// A row for each message, and one for a mailbox without.
fn rows(mailbox: &MailboxView) -> Vec<[String; 8]> {
    let counts = format!("{}/{}", mailbox.new, mailbox.old);
    if mailbox.messages.is_empty() {
        let nothing = String::new;
        return vec![[
            mailbox.name.clone(),
            counts,
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
        ]];
    }
    let row = |one: &VoiceMessageView| {
        let length = one.millis.map_or_else(|| "–".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
        let heard = if one.heard { "已听 / heard" } else { "新 / new" };
        [
            mailbox.name.clone(),
            counts.clone(),
            short(&one.began),
            one.caller.clone(),
            length,
            heard.to_owned(),
            one.id.clone(),
            one.call.clone(),
        ]
    };
    mailbox.messages.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_with_its_caller_and_length() {
        let message = VoiceMessageView {
            id: "r1".into(),
            call: "c1".into(),
            caller: "13800138000".into(),
            began: "2026-11-22T21:38:01.250+08:00".into(),
            millis: Some(4_250),
            heard: false,
        };
        let mailbox = |messages: Vec<VoiceMessageView>| MailboxView {
            name: "8001".into(),
            tenant: "default".into(),
            new: u32::try_from(messages.len()).unwrap(),
            old: 0,
            messages,
        };
        let shown = |rows: Vec<[String; 8]>| rows.iter().map(|row| row.join("|")).collect::<Vec<_>>();
        assert_eq!(
            shown(rows(&mailbox(vec![message]))),
            ["8001|1/0|2026-11-22 21:38:01|13800138000|4.2 s|新 / new|r1|c1"]
        );
        assert_eq!(shown(rows(&mailbox(Vec::new()))), ["8001|0/0||||||"]);
    }
}
