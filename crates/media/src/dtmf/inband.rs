//! Owns keys as tones in the audio (ITU-T Q.23): hearing them by the tolerances of ITU-T Q.24, and making them. Does not
//! own who hears them (see [`crate::room`]).
//!
//! ```text
//!            (1) two blocks of one key in a row            (2) two blocks without it
//!   Silence ───────────────────────────────▶ Down(key) ───────────────────────────────▶ Silence: the press is told
//!      ▲                                        │ (3) two blocks of another key: the press is told, the other is down
//!      └── one block of anything changes nothing┘
//! ```

use model::say::Key;

use super::Pressed;
use crate::codec::FRAME;

/// Samples of a block: 12.75 ms. The shortest key of 40 ms holds two, wherever they begin, and so does the shortest pause.
const BLOCK: usize = 102;

/// The rows and columns of the keypad in Hz (ITU-T Q.23).
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The weakest key, as the amplitude of one tone: −33 dBm0, below what Q.24 wants to be heard (full scale is
/// +3.14 dBm0).
const WEAKEST: f32 = 500.0;

/// A column may be 4 dB stronger than its row, a row 8 dB stronger than its column; with 2 dB of grace.
const COLUMN_STRONGER: f32 = 4.0;
const ROW_STRONGER: f32 = 10.0;

/// A tone is 8 dB stronger than the others of its group.
const PEAK: f32 = 6.31;

/// The share of all power that the two tones have.
const SHARE: f32 = 0.72;

/// Frequencies are accepted to 1.5 % and refused from 3.5 % on: the bound lies between.
const OFF: f32 = 0.025;

/// What a fax device says first, in Hz: one that calls, 38 Hz around 1,100, and one that answers (ITU-T T.30 §4).
const FAX: [(f32, Fax); 3] = [(1_075.0, Fax::Calls), (1_125.0, Fax::Calls), (2_100.0, Fax::Answers)];

/// The share of all power that such a tone has, also where its amplitude swings (ITU-T V.8 §7.2).
const FAX_SHARE: f32 = 0.65;

/// It is one after so many blocks in a row: 400 ms, of the half second that the shorter tone lasts.
const FAX_BLOCKS: u32 = 31;

/// A tone's power and phase in a block.
#[derive(Clone, Copy, Debug, Default)]
struct Tone {
    power: f32,
    phase: f32,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hit {
    row: usize,
    column: usize,
    phases: [f32; 2],
}

/// Which side of a fax a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fax {
    Calls,
    Answers,
}

/// Hears one talker's keys.
#[derive(Clone, Debug)]
pub struct ToneReceive {
    block: [i16; BLOCK],
    filled: usize,
    last: Option<Hit>,
    down: Option<Down>,
    /// Which fax device is heard, and for how many blocks.
    fax: Option<(Fax, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Down {
    key: (usize, usize),
    blocks: u32,
    /// Blocks without it, in a row.
    missed: u32,
}

impl Default for ToneReceive {
    fn default() -> ToneReceive {
        ToneReceive { block: [0; BLOCK], filled: 0, last: None, down: None, fax: None }
    }
}

impl ToneReceive {
    /// Whether a key is down: what is heard now is its tone.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// Whether a key may be down: it is, or the last block sounded like one.
    pub fn suspects(&self) -> bool {
        self.down.is_some() || self.last.is_some()
    }

    /// Whether the talker is a fax device: it has no keys.
    pub fn is_fax(&self) -> bool {
        self.fax.is_some_and(|(_, blocks)| blocks >= FAX_BLOCKS)
    }

    /// Listens to the next 20 ms. At most one press can end in them.
    pub fn take(&mut self, frame: &[i16; FRAME]) -> Option<Pressed> {
        let mut told = None;
        for sample in frame {
            self.block[self.filled] = *sample;
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                told = self.judge().or(told);
            }
        }
        told
    }

    fn judge(&mut self) -> Option<Pressed> {
        let hit = look(&self.block);
        if hit.is_none() && !self.is_fax() {
            let before = self.fax;
            self.fax = fax_tone(&self.block).map(|fax| match before {
                Some((known, blocks)) if known == fax => (fax, blocks + 1),
                _ => (fax, 1),
            });
        }
        let again = hit.zip(self.last).is_some_and(|(hit, last)| hit.goes_on_from(&last));
        self.last = hit;
        let key = hit.map(|hit| (hit.row, hit.column));
        match (&mut self.down, key) {
            (Some(down), Some(key)) if down.key == key => {
                down.blocks += 1 + down.missed;
                down.missed = 0;
                None
            }
            // (3), (1)
            (before, Some(key)) if again => {
                let ended = before.take();
                *before = Some(Down { key, blocks: 2, missed: 0 });
                ended.and_then(Down::pressed)
            }
            // (2)
            (Some(down), _) if down.missed > 0 => {
                let ended = down.pressed();
                self.down = None;
                ended
            }
            (Some(down), _) => {
                down.missed = 1;
                None
            }
            (None, _) => None,
        }
    }
}

impl Down {
    fn pressed(self) -> Option<Pressed> {
        let (row, column) = self.key;
        let millis = self.blocks * BLOCK as u32 / 8;
        Some(Pressed { key: Key::from_char(KEYS[row][column])?, millis })
    }
}

impl Hit {
    /// The same key, with both tones at their true frequency: a phase that moves by the distance of the blocks.
    fn goes_on_from(&self, last: &Hit) -> bool {
        let steady = |nominal: f32, after: f32, before: f32| {
            let block = std::f32::consts::TAU * nominal / 8_000.0 * BLOCK as f32;
            let turned = (after - before - block).rem_euclid(std::f32::consts::TAU);
            let turned = if turned > std::f32::consts::PI { turned - std::f32::consts::TAU } else { turned };
            let off = turned * 8_000.0 / (std::f32::consts::TAU * BLOCK as f32);
            off.abs() < OFF * nominal
        };
        (self.row, self.column) == (last.row, last.column)
            && steady(ROWS[self.row], self.phases[0], last.phases[0])
            && steady(COLUMNS[self.column], self.phases[1], last.phases[1])
    }
}

/// The key in a block, if it is one and nothing else.
fn look(block: &[i16; BLOCK]) -> Option<Hit> {
    let all = power(block);
    if all < WEAKEST * WEAKEST / 4.0 {
        return None;
    }
    let rows = ROWS.map(|hz| tone(block, hz));
    let columns = COLUMNS.map(|hz| tone(block, hz));
    let (row, column) = (strongest(&rows)?, strongest(&columns)?);
    let (low, high) = (rows[row], columns[column]);
    let weakest = WEAKEST * WEAKEST / 2.0;
    let fits = low.power > weakest / 4.0
        && high.power > weakest / 4.0
        && high.power < low.power * COLUMN_STRONGER
        && low.power < high.power * ROW_STRONGER
        && low.power + high.power > SHARE * all;
    fits.then_some(Hit { row, column, phases: [low.phase, high.phase] })
}

/// Which tone of a fax device is in a block, if it is one and nothing else.
fn fax_tone(block: &[i16; BLOCK]) -> Option<Fax> {
    let all = power(block);
    if all < WEAKEST * WEAKEST / 4.0 {
        return None;
    }
    FAX.into_iter().find_map(|(hz, fax)| (tone(block, hz).power > FAX_SHARE * all).then_some(fax))
}

/// The mean square of a block's samples.
fn power(block: &[i16; BLOCK]) -> f32 {
    block.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / BLOCK as f32
}

/// The tone that stands out of its group.
fn strongest(tones: &[Tone; 4]) -> Option<usize> {
    let best = (0..4).max_by(|one, other| tones[*one].power.total_cmp(&tones[*other].power))?;
    let stands_out = (0..4).all(|other| other == best || tones[other].power * PEAK < tones[best].power);
    stands_out.then_some(best)
}

/// Goertzel's filter at `hz`.
fn tone(block: &[i16; BLOCK], hz: f32) -> Tone {
    let step = std::f32::consts::TAU * hz / 8_000.0;
    let twice = 2.0 * step.cos();
    let (mut before, mut last) = (0.0, 0.0);
    for sample in block {
        (before, last) = (last, f32::from(*sample) + twice * last - before);
    }
    let (re, im) = (last - before * step.cos(), before * step.sin());
    let count = BLOCK as f32;
    // A tone of amplitude A has the power A²/2.
    let power = 2.0 * (re * re + im * im) / (count * count);
    Tone { power, phase: im.atan2(re) }
}

/// 20 ms of `key`'s two tones, from `at` samples after its beginning: −10 dBm0, the column 2 dB stronger.
pub fn sound(key: Key, at: u32) -> [i16; FRAME] {
    let Some((row, column)) = place(key) else { return [0; FRAME] };
    std::array::from_fn(|nth| {
        let time = (at as usize + nth) as f32 / 8_000.0;
        let low = 7_100.0 * (std::f32::consts::TAU * ROWS[row] * time).sin();
        let high = 8_900.0 * (std::f32::consts::TAU * COLUMNS[column] * time).sin();
        (low + high) as i16
    })
}

fn place(key: Key) -> Option<(usize, usize)> {
    let mut places = (0..4).flat_map(|row| (0..4).map(move |column| (row, column)));
    places.find(|(row, column)| Key::from_char(KEYS[*row][*column]) == Some(key))
}

#[cfg(test)]
mod tests;
