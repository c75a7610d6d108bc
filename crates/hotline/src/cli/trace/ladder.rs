//! Owns a call's messages as a ladder: a column for each party, an arrow for each message.

use api::view::MessageView;

/// The ladder, two lines of head first. The switch is the column between the first peer and the others.
pub(super) fn lines(messages: &[MessageView]) -> Vec<String> {
    let mut peers: Vec<String> = Vec::new();
    for message in messages {
        let peer = peer(message);
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    let mut columns = peers.clone();
    columns.insert(peers.len().min(1), "hotline".to_owned());
    // As wide as the widest word that stands between two columns, within reason.
    let longest = messages.iter().map(|message| label(&message.bytes).chars().count()).max().unwrap_or(0);
    let width = (longest + BESIDE).clamp(NARROWEST, WIDEST);
    let head = columns.iter().map(|name| format!("{name:<width$}")).collect::<String>();
    let mut out = vec![format!("{:CLOCK$}{}", "", head.trim_end()), bars(&columns, width)];
    out.extend(messages.iter().map(|message| rung(message, &columns, width)));
    out
}

fn peer(message: &MessageView) -> String {
    format!("{} {}", message.transport, message.remote)
}

fn bars(columns: &[String], width: usize) -> String {
    let bars = columns.iter().map(|_| format!("{:<width$}", "│")).collect::<String>();
    format!("{:CLOCK$}{}", "", bars.trim_end())
}

fn rung(message: &MessageView, columns: &[String], width: usize) -> String {
    let at = |name: &str| columns.iter().position(|column| column == name).unwrap_or(0);
    let (switch, peer) = (at("hotline"), at(&peer(message)));
    let (left, right) = (switch.min(peer), switch.max(peer));
    let to_right = message.sent == (peer > switch);
    let length = (right - left) * width - 1;
    let mut label: String = label(&message.bytes).chars().take(length + 1 - BESIDE).collect();
    label = format!(" {label} ");
    let dashes = length - 1 - label.chars().count();
    let (before, after) = ("─".repeat(dashes / 2), "─".repeat(dashes - dashes / 2));
    let arrow = match to_right {
        true => format!("{before}{label}{after}▶"),
        false => format!("◀{before}{label}{after}"),
    };
    let mut line = format!("{:<CLOCK$}", message.at.get(11..23).unwrap_or(&message.at));
    for column in 0..columns.len() {
        line.push('│');
        if column == left {
            line.push_str(&arrow);
        } else if !(left..right).contains(&column) {
            line.push_str(&" ".repeat(width - 1));
        }
        // A column that the arrow passes is behind it.
        if (left + 1..right).contains(&column) {
            line.pop();
        }
    }
    line.trim_end().to_owned()
}

/// `INVITE 4008001234 (SDP)`, `200 OK (INVITE, SDP)`.
pub(super) fn label(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut first = head.lines().next().unwrap_or_default().splitn(3, ' ');
    let (one, two, three) = (
        first.next().unwrap_or_default(),
        first.next().unwrap_or_default(),
        first.next().unwrap_or_default(),
    );
    let has_sdp = body.lines().any(|line| line == "v=0");
    if !one.starts_with("SIP/") {
        let user = two.split_once(':').map_or(two, |(_, rest)| rest);
        let user = user.split('@').next().unwrap_or_default();
        return format!("{one} {user}{}", if has_sdp { " (SDP)" } else { "" });
    }
    let of = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("cseq").then(|| value.rsplit(' ').next().unwrap_or_default())
    });
    format!("{two} {three} ({}{})", of.unwrap_or_default(), if has_sdp { ", SDP" } else { "" })
}

/// Characters from one column to the next, at least and at most.
const NARROWEST: usize = 34;
const WIDEST: usize = 50;
/// Of those, what an arrow needs beside its label.
const BESIDE: usize = 5;
/// Characters before the first column.
const CLOCK: usize = 14;
