//! Owns what a NOTIFY's body says: dialog-info (RFC 4235 §4) and simple-message-summary (RFC 3842 §5.2).

use std::fmt::Write as _;
use std::sync::Arc;

use model::Aor;

use crate::uri::Uri;

/// One call of a watched phone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WatchedDialog {
    /// Names it among the phone's calls.
    pub id: u64,
    /// Who called.
    pub direction: Direction,
    /// How far it got.
    pub progress: Progress,
    /// The other side: a number, an extension, or `anonymous`.
    pub remote: Arc<str>,
}

/// Who called: `direction` of RFC 4235 §4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The watched phone.
    Initiator,
    /// The other side.
    Recipient,
}

/// How far a call got: the states of RFC 4235 §3.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The INVITE is out.
    Trying,
    /// It rings.
    Early,
    /// It is answered.
    Confirmed,
    /// It is over.
    Terminated,
}

impl Progress {
    const fn as_str(self) -> &'static str {
        match self {
            Progress::Trying => "trying",
            Progress::Early => "early",
            Progress::Confirmed => "confirmed",
            Progress::Terminated => "terminated",
        }
    }
}

/// How many voice messages wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Not yet heard.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
}

/// Whether a document names every dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Full,
    Partial,
}

/// RFC 4235 §4.1: the document number `version` about the calls of `aor`.
pub(super) fn dialog_info(aor: &Aor, version: u32, scope: Scope, dialogs: &[WatchedDialog]) -> String {
    let scope = if scope == Scope::Full { "full" } else { "partial" };
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"{scope}\" entity=\"{}\">\r\n",
        Xml(&address(aor))
    );
    for dialog in dialogs {
        let direction = match dialog.direction {
            Direction::Initiator => "initiator",
            Direction::Recipient => "recipient",
        };
        let (id, state) = (dialog.id, dialog.progress.as_str());
        let remote = Uri::sip(Some(&dialog.remote), aor.domain(), None);
        let remote = remote.map(|uri| uri.to_string()).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<dialog id=\"{id:x}\" direction=\"{direction}\"><state>{state}</state><remote><identity \
             display=\"{}\">{}</identity></remote></dialog>\r\n",
            Xml(&dialog.remote),
            Xml(&remote)
        );
    }
    text.push_str("</dialog-info>\r\n");
    text
}

/// RFC 3842 §5.2: the messages that wait for `aor`.
pub(super) fn message_summary(aor: &Aor, summary: Summary) -> String {
    let waiting = if summary.new > 0 { "yes" } else { "no" };
    format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: {}\r\nVoice-Message: {}/{} (0/0)\r\n",
        address(aor),
        summary.new,
        summary.old
    )
}

fn address(aor: &Aor) -> String {
    Uri::sip(Some(aor.user()), aor.domain(), None).map(|uri| uri.to_string()).unwrap_or_default()
}

/// Text within XML, in an attribute too.
struct Xml<'a>(&'a str);

impl std::fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                // XML 1.0 §2.2: what may not stand in a document at all.
                letter if letter.is_control() => f.write_str("\u{fffd}")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
