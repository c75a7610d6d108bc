//! Owns what all crates agree on about a finished recording: how its time divides, and which files lie beside its sound.
//! Does not own how they are made (see `media`).

/// The files beside a recording's sound, by what stands in the place of its `wav`: what happened when, as JSON, and a
/// waveform.
pub const BESIDE: [&str; 2] = [TIMELINE, PEAKS];

/// What happened when, as JSON.
pub const TIMELINE: &str = "json";

/// A waveform: the least and the greatest sample of each 10 ms of each channel.
pub const PEAKS: &str = "dat";

/// How a recording's time divides, in steps of 10 ms: `caller_ms + persons_ms - both_ms + silence_ms + held_ms +
/// masked_ms` is its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TalkShares {
    /// The caller speaks.
    pub caller_ms: u64,
    /// A person whom the caller hears speaks.
    pub persons_ms: u64,
    /// Both speak at once (cross-talk).
    pub both_ms: u64,
    /// Nobody speaks.
    pub silence_ms: u64,
    /// Nobody speaks while somebody is on hold.
    pub held_ms: u64,
    /// Nothing is kept.
    pub masked_ms: u64,
}
