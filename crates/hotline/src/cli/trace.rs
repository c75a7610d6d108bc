//! Owns `calls trace`: the messages of one call as a ladder, in full, or as a capture file. Does not own keeping or
//! masking them (see `node::trace`).

use std::net::SocketAddr;

use anyhow::Context;
use api::view::MessageView;

use super::switch_client::speak;
use super::{Answer, Global, Trace, calls, live, output};

mod ladder;
mod pcap;

/// Shows or writes the messages of a call.
pub(crate) fn trace(global: &Global, wanted: &Trace) -> anyhow::Result<Answer> {
    let id = calls::call_id(&wanted.call)?.to_string();
    let messages = match speak(global, |client| async move { client.messages(&id).await }) {
        Ok(messages) => messages,
        Err(error) => return live::refused(error),
    };
    if let Some(file) = &wanted.pcap {
        let bytes = pcap::file(&messages)?;
        std::fs::write(file, bytes)
            .with_context(|| format!("写不了 {0} / cannot write {0}", file.display()))?;
    }
    if global.json {
        output::json(&messages.iter().map(outside).collect::<Vec<_>>())?;
    } else if wanted.full {
        output::lines(messages.iter().map(in_full))?;
    } else if let Some(file) = &wanted.pcap {
        output::lines([format!("{}: {} 条报文 / messages", file.display(), messages.len())])?;
    } else {
        output::lines(ladder::lines(&messages))?;
    }
    Ok(Answer::Yes)
}

/// For programs: the message as text, which it nearly always is.
fn outside(message: &MessageView) -> serde_json::Value {
    serde_json::json!({
        "at": message.at,
        "sent": message.sent,
        "transport": message.transport,
        "local": message.local,
        "remote": message.remote,
        "message": String::from_utf8_lossy(&message.bytes),
    })
}

fn in_full(message: &MessageView) -> String {
    let (from, to) = ends(message);
    let text = String::from_utf8_lossy(&message.bytes);
    format!("{} {} {from} → {to}\n{}\n", message.at, message.transport, text.replace('\r', "").trim_end())
}

/// Who sent it to whom.
fn ends(message: &MessageView) -> (&str, &str) {
    match message.sent {
        true => (&message.local, &message.remote),
        false => (&message.remote, &message.local),
    }
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("«{text}» 不是地址 / is no address"))
}

#[cfg(test)]
mod tests;
