//! Owns what can be said to a caller or agent, as data. Does not own the words' sounds (see `media::speech`).

mod figures;

use clock::WallTime;

use crate::{PromptName, RecordingId};

pub use figures::{CalendarDate, Decimal, FigureError, TimeOfDay, Weekday};

/// How the names of files end that are prompts, in small letters.
pub const PROMPT_FILES: [&str; 10] = ["wav", "mp3", "flac", "ogg", "oga", "opus", "m4a", "m4b", "mp4", "aac"];

/// The name of a prompt whose file is `file`; `None`: it is no prompt.
pub fn prompt_of_file(file: &str) -> Option<&str> {
    let (name, end) = file.rsplit_once('.')?;
    let is_known = PROMPT_FILES.iter().any(|known| known.eq_ignore_ascii_case(end));
    (is_known && !name.is_empty() && !name.starts_with('.')).then_some(name)
}

/// One piece of a spoken announcement. `media` expands it into recorded atoms of the listener's language.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SayItem {
    /// A recorded prompt.
    Prompt(PromptName),
    /// Digit by digit, 1 as 幺: agent numbers, telephone numbers, codes. Other characters are passed over.
    Digits(String),
    /// A cardinal number: 1001 = 一千零一.
    Number(i64),
    /// How many customers wait ahead: «您前面还有 N 位客户在等待», or «您是下一位» for 0.
    QueuePosition(u32),
    /// The expected wait, rounded up to minutes; below a minute a fixed phrase.
    ExpectedWait(std::time::Duration),
    /// The agent's number to the caller (播报工号): «工号 8001 为您服务».
    AgentNumber(String),
    /// The how-many-eth: 第三.
    Ordinal(u32),
    /// A number with decimals: 三点一四.
    Decimal(Decimal),
    /// A share in percent: 百分之十二点五.
    Percent(Decimal),
    /// An amount of money in fen, the hundredth part of a yuan: 10205 = 一百零二元零五分.
    Money(i64),
    /// A day: 二零二六年十一月二日.
    Date(CalendarDate),
    /// A day of the week: 星期一.
    Weekday(Weekday),
    /// A time of the day, by the clock of twelve hours: 下午两点半.
    Time(TimeOfDay),
    /// A length of time, in whole seconds: 两小时五分钟.
    Duration(std::time::Duration),
    /// What was recorded, as one sound: a voice message.
    Recorded {
        /// Which recording.
        recording: RecordingId,
        /// When it began, by which its file is found.
        began: WallTime,
    },
    /// A pause of this many milliseconds.
    Pause(u32),
    /// A tone of the country's plan.
    Tone(Tone),
}

/// Chinese call progress tones, 450 Hz (GB/T 3380).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// 1 s on, 4 s off.
    Ringback,
    /// 350 ms on, 350 ms off.
    Busy,
    /// 700 ms on, 700 ms off.
    Congestion,
    /// One short beep.
    Beep,
    /// 400 ms on, 4 s off: another call waits.
    CallWaiting,
    /// Three times 100 ms on and off, then 400 ms on and off: no such number.
    SpecialInfo,
}

impl Tone {
    /// All of them, in their order.
    pub const ALL: [Tone; 6] =
        [Tone::Ringback, Tone::Busy, Tone::Congestion, Tone::Beep, Tone::CallWaiting, Tone::SpecialInfo];
}

/// A key of the telephone (RFC 4733 §3.2 events 0–15).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Key(u8);

impl Key {
    const CHARS: &[u8; 16] = b"0123456789*#ABCD";

    /// The key for RFC 4733 event `code` 0–15.
    pub const fn from_event(code: u8) -> Option<Key> {
        if code < 16 { Some(Key(code)) } else { None }
    }

    /// The key written as `c`: 0–9, *, #, A–D.
    pub fn from_char(c: char) -> Option<Key> {
        let wanted = u8::try_from(c.to_ascii_uppercase()).ok()?;
        Key::CHARS.iter().position(|k| *k == wanted).and_then(|code| u8::try_from(code).ok()).map(Key)
    }

    /// The RFC 4733 event code, 0–15.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The key as people write it.
    pub const fn as_char(self) -> char {
        Key::CHARS[self.0 as usize] as char
    }
}

impl TryFrom<char> for Key {
    type Error = String;
    fn try_from(c: char) -> Result<Key, String> {
        Key::from_char(c).ok_or_else(|| format!("«{c}» is no telephone key (0-9, *, #, A-D)"))
    }
}

impl From<Key> for char {
    fn from(key: Key) -> char {
        key.as_char()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_sixteen_of_rfc_4733() {
        for code in 0..16 {
            let key = Key::from_event(code).unwrap();
            assert_eq!(Key::from_char(key.as_char()), Some(key));
            assert_eq!(key.event(), code);
        }
        assert_eq!(Key::from_event(16), None);
        assert_eq!(Key::from_char('x'), None);
        assert_eq!(Key::from_char('井'), None);
    }
}
