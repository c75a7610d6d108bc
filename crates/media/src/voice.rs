//! Owns one talker's sound as it is decoded: payloads in order become samples, and what was lost is made up for. Does not
//! own when something is lost (see [`crate::jitter`] and [`crate::finisher`]).

use std::fmt;

use crate::codec::{Codec, Decoder};
use crate::conceal::Concealment;

/// A decoder of whatever codec is spoken, and what stands for losses.
#[derive(Default)]
pub(crate) struct Voice {
    decoder: Option<Decoder>,
    concealment: Concealment,
}

impl Voice {
    /// Appends the samples of the next payload but for the first `said`, which were made up for already.
    pub fn decode(&mut self, (codec, payload): (Codec, &[u8]), said: usize, out: &mut Vec<i16>) {
        let decoder = match &mut self.decoder {
            Some(decoder) if decoder.codec() == codec => decoder,
            decoder => decoder.insert(Decoder::new(codec)),
        };
        let start = out.len();
        decoder.decode(payload, out);
        let said = said.min(out.len() - start);
        out.drain(start..start + said);
        self.concealment.heard(&mut out[start..]);
    }

    /// Appends what stands for `count` samples that did not come; `false` when nothing was said that could be repeated, or
    /// it has died away.
    pub fn make_up(&mut self, count: usize, out: &mut Vec<i16>) -> bool {
        let Some(decoder) = self.decoder.as_mut().filter(|_| self.concealment.is_heard()) else {
            return false;
        };
        let start = out.len();
        // The codec knows best what it would have said; how long it lasts is told here.
        let mut own = Vec::new();
        let known = decoder.conceal(count, &mut own);
        self.concealment.lost(count, out);
        if known && own.len() == count {
            out[start..].copy_from_slice(&own);
        }
        true
    }

    /// What comes next has nothing to do with what was said.
    pub fn pause(&mut self) {
        self.concealment.forget();
    }
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Voice({:?})", self.decoder)
    }
}
