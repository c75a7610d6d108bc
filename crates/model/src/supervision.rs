//! Owns what supervisors may do with other people's calls, in words. Does not own who may (see `routing::Supervision`).

/// What a supervisor does with somebody else's call (R54).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// 监听: hears all, and nobody hears the supervisor.
    Listen,
    /// 密语: only the agent hears the supervisor.
    Whisper,
    /// 强插: all hear the supervisor.
    Barge,
    /// 接管: the supervisor takes the agent's place.
    Take,
    /// 强拆: the call ends.
    Hangup,
}

impl Verb {
    /// Every verb, in the order of what it takes.
    pub const ALL: [Verb; 5] = [Verb::Listen, Verb::Whisper, Verb::Barge, Verb::Take, Verb::Hangup];

    /// Its word in commands and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Listen => "listen",
            Verb::Whisper => "whisper",
            Verb::Barge => "barge",
            Verb::Take => "take",
            Verb::Hangup => "hangup",
        }
    }

    /// Its word for people.
    pub const fn zh(self) -> &'static str {
        match self {
            Verb::Listen => "监听",
            Verb::Whisper => "密语",
            Verb::Barge => "强插",
            Verb::Take => "接管",
            Verb::Hangup => "强拆",
        }
    }
}
