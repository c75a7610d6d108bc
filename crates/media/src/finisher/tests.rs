mod decoded;

use std::f64::consts::PI;
use std::time::Duration;

use clock::Instant;
use model::LegId;
use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::command::{Mark, MaskCause};
use crate::g711;
use crate::recording::{Block, BlockView, Memory, Place, Recorder, Start};
use crate::sink::{Side, TapPacket};

const CALL: u64 = 9;
const CALLER: u64 = 11;
const AGENT: u64 = 12;
const EXPERT: u64 = 13;

/// One packet on its way: who, when it arrives, what its media time says, which 20 ms it holds.
#[derive(Clone, Debug)]
struct Sent {
    leg: u64,
    arrives_us: u64,
    media_time: u64,
    codec: Codec,
    payload: Vec<u8>,
}

/// The sample at `position` of a talker who says `hz`, or nothing for 0.
fn voice(hz: f64, position: u64) -> i16 {
    (8_000.0 * (2.0 * PI * hz * position as f64 / 8_000.0).sin()) as i16
}

/// 20 ms of a talker: packet number `nth`, on time (its last sample arrives as it is spoken).
fn speech(leg: u64, codec: Codec, nth: u64, hz: f64) -> Sent {
    let payload = (0..160).map(|n| g711::encode(Law::of(codec).unwrap(), voice(hz, nth * 160 + n))).collect();
    Sent { leg, arrives_us: (nth + 1) * 20_000, media_time: nth * 160, codec, payload }
}

/// What becomes of packets that arrive in the order of their times, with `marks`, ended at `end_ms` or by a crash.
fn record(sent: Vec<Sent>, marks: &[(u64, Mark)], end_ms: Option<u64>) -> Vec<Block> {
    record_for(CALLER, sent, marks, end_ms)
}

/// The same with another leg's id on the left.
fn record_for(caller: u64, mut sent: Vec<Sent>, marks: &[(u64, Mark)], end_ms: Option<u64>) -> Vec<Block> {
    sent.sort_by_key(|packet| packet.arrives_us);
    let at = |us| Instant::from_secs(9) + Duration::from_micros(us);
    let start = Start {
        recording: 7.into(),
        call: CALL.into(),
        tenant: TenantId::new("acme"),
        caller: caller.into(),
        persons: vec![AGENT.into(), EXPERT.into()],
        started: WallTime(1_795_000_000_000_000),
    };
    let mut recorder = Recorder::start(at(0), start, &Memory::default());
    let mut blocks = Vec::new();
    let mut marks = marks.iter().peekable();
    let mut last = 0;
    for (sequence, packet) in sent.iter().enumerate() {
        while let Some((ms, mark)) = marks.next_if(|(ms, _)| ms * 1_000 <= packet.arrives_us) {
            recorder.mark(at(ms * 1_000), *mark);
        }
        last = packet.arrives_us;
        recorder.packet(&TapPacket {
            side: if packet.leg == CALLER { Side::Left } else { Side::Right },
            leg: LegId::from(packet.leg),
            sequence: sequence as u64,
            media_time: packet.media_time,
            arrival: at(packet.arrives_us),
            codec: packet.codec,
            payload: &packet.payload,
        });
        blocks.extend(std::iter::from_fn(|| recorder.poll_block(at(packet.arrives_us))));
    }
    match end_ms {
        Some(ms) => {
            recorder.end(at(ms * 1_000));
            blocks.extend(std::iter::from_fn(|| recorder.poll_block(at(ms * 1_000))));
        }
        None => {
            let late = last + 900_000;
            blocks.extend(std::iter::from_fn(|| recorder.poll_block(at(late))));
        }
    }
    blocks
}

struct Wav {
    bytes: Vec<u8>,
    peaks: Vec<u8>,
    events: Events,
    millis: u64,
    ended: bool,
    format: Format,
}

impl Wav {
    fn channels(&self) -> [Vec<i16>; 2] {
        let data = &self.bytes[58..];
        match self.format {
            Format::G711(law) => [0, 1]
                .map(|channel| data.chunks_exact(2).map(|frame| g711::decode(law, frame[channel])).collect()),
            Format::Pcm16 => [0, 2].map(|channel| {
                data.chunks_exact(4).map(|f| i16::from_le_bytes([f[channel], f[channel + 1]])).collect()
            }),
        }
    }
}

fn finish(blocks: &mut [Block]) -> Wav {
    let at = Place { segment: 1, position: 32 };
    let mut survey = Survey::default();
    let mut each = |look: &mut dyn FnMut(&AudioBlock<'_>)| {
        for block in blocks.iter_mut() {
            let bytes = block.seal(at, None);
            let Ok(BlockView::Audio(block)) = BlockView::parse(bytes, at) else { panic!("a block") };
            look(&block);
        }
    };
    each(&mut |block| survey.block(block));
    let plan = survey.plan().unwrap();
    let (millis, ended, format) = (plan.millis(), plan.ended(), plan.format());
    let frames = plan.frames;
    let mut files = Files { sound: Vec::new(), peaks: Vec::new() };
    let mut stereo = Stereo::begin(plan, &mut files).unwrap();
    each(&mut |block| stereo.block(block, &mut files).unwrap());
    let Written { sound, peaks, events } = stereo.finish(&mut files).unwrap();
    assert_eq!(files.sound.len() as u64, 58 + frames * 2 * u64::from(format.sample_bytes()));
    assert_eq!(files.peaks.len() as u64, 24 + frames.div_ceil(80) * 4);
    for (file, told) in [(&files.sound, sound), (&files.peaks, peaks)] {
        let mut sum = Checksum::default();
        sum.update(file);
        assert_eq!((file.len() as u64, sum.hex()), (told.bytes, told.sha256));
    }
    assert_eq!(events.millis, millis);
    Wav { bytes: files.sound, peaks: files.peaks, events, millis, ended, format }
}

/// The amplitude of `hz` in `samples` (Goertzel).
fn level(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (2.0 * PI * hz / 8_000.0).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in samples {
        let s0 = f64::from(*sample) + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    2.0 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2).max(0.0).sqrt() / samples.len() as f64
}

/// Where `hz` begins: the first 10 ms window that holds it, in samples.
fn onset(samples: &[i16], hz: f64) -> usize {
    let heard = |window: &[i16]| level(window, hz) > 4_000.0;
    samples.windows(80).step_by(8).position(heard).expect("the tone is there") * 8
}

/// A repeatable source of chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn a_clean_call_is_kept_byte_by_byte_with_each_party_in_its_channel() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let sent: Vec<Sent> = (0..500)
            .flat_map(|nth| [speech(CALLER, codec, nth, 440.0), speech(AGENT, codec, nth, 660.0)])
            .collect();
        let wav = finish(&mut record(sent.clone(), &[], Some(10_000)));
        assert_eq!(
            (wav.format, wav.millis, wav.ended),
            (Format::G711(Law::of(codec).unwrap()), 10_000, true)
        );
        let channel = |leg, place: usize| {
            let spoken: Vec<u8> =
                sent.iter().filter(|p| p.leg == leg).flat_map(|p| p.payload.clone()).collect();
            let kept: Vec<u8> = wav.bytes[58..].chunks_exact(2).map(|frame| frame[place]).collect();
            assert!(spoken == kept, "{codec:?} channel {place}");
        };
        channel(CALLER, 0);
        channel(AGENT, 1);
    }
}

#[test]
fn parties_of_two_laws_become_pcm() {
    let sent = (0..100)
        .flat_map(|nth| [speech(CALLER, Codec::Pcma, nth, 440.0), speech(AGENT, Codec::Pcmu, nth, 660.0)])
        .collect();
    let wav = finish(&mut record(sent, &[], Some(2_000)));
    assert_eq!(wav.format, Format::Pcm16);
    let [left, right] = wav.channels();
    assert!(level(&left, 440.0) > 7_900.0 && level(&right, 660.0) > 7_900.0);
    assert!(level(&left, 660.0) < 20.0 && level(&right, 440.0) < 20.0);
}

#[test]
fn both_channels_stay_aligned_within_20_ms_through_jitter_loss_reordering_and_doubles() {
    for seed in 1..=10 {
        let mut chance = Chance(seed * 0x9e37_79b9);
        let mut sent = Vec::new();
        for nth in 0..3_000 {
            // Every 5 s both change their tone at the same moment.
            let tones = if nth / 250 % 2 == 0 { (440.0, 660.0) } else { (880.0, 1_100.0) };
            sent.push(speech(AGENT, Codec::Pcma, nth, tones.1));
            let mut packet = speech(CALLER, Codec::Pcma, nth, tones.0);
            packet.arrives_us += chance.below(120_000);
            if chance.below(100) < 20 {
                let mut double = packet.clone();
                double.arrives_us += chance.below(60_000);
                sent.push(double);
            }
            if chance.below(100) >= 15 {
                sent.push(packet);
            }
        }
        let wav = finish(&mut record(sent, &[], Some(60_200)));
        let [left, right] = wav.channels();
        for change in 1..12 {
            let (at, tones) =
                (change * 40_000, if change % 2 == 0 { (440.0, 660.0) } else { (880.0, 1_100.0) });
            let around = at - 4_000..at + 4_000;
            let (l, r) = (onset(&left[around.clone()], tones.0), onset(&right[around], tones.1));
            assert!(r.abs_diff(4_000) < 160, "seed {seed}, change {change}: right {r}");
            // A lost packet at the very change moves what is heard, not what is kept: it is at most two in a row here.
            assert!(
                l.abs_diff(r) < 160 || (l > r && (l - r) % 160 < 100),
                "seed {seed}, change {change}: {l} {r}"
            );
        }
        // What came is all there: 12 % of the packets came neither once nor doubled.
        let silent = left[..480_000].windows(8).filter(|window| window.iter().all(|s| s.abs() < 20)).count();
        assert!((40_000..75_000).contains(&silent), "seed {seed}: {silent} of 480000");
    }
}

#[test]
fn a_stalled_network_that_delivers_late_moves_nothing() {
    let sent: Vec<Sent> = (0..500)
        .map(|nth| {
            let mut packet = speech(CALLER, Codec::Pcma, nth, 440.0);
            if (200..260).contains(&nth) {
                packet.arrives_us = 261 * 20_000 + nth;
            }
            packet
        })
        .collect();
    let spoken: Vec<u8> = sent.iter().flat_map(|packet| packet.payload.clone()).collect();
    let wav = finish(&mut record(sent, &[], Some(10_000)));
    let kept: Vec<u8> = wav.bytes[58..].chunks_exact(2).map(|frame| frame[0]).collect();
    assert!(spoken == kept);
}

#[test]
fn a_single_straggler_is_put_where_it_was_spoken() {
    let sent: Vec<Sent> = (0..500)
        .map(|nth| {
            let mut packet = speech(CALLER, Codec::Pcma, nth, 440.0);
            if nth == 200 {
                packet.arrives_us += 900_000;
            }
            packet
        })
        .collect();
    let spoken: Vec<u8> = sent.iter().flat_map(|packet| packet.payload.clone()).collect();
    let wav = finish(&mut record(sent, &[], Some(10_000)));
    let kept: Vec<u8> = wav.bytes[58..].chunks_exact(2).map(|frame| frame[0]).collect();
    assert!(spoken == kept);
}

#[test]
fn a_phone_whose_clock_stands_still_in_its_silence_is_anchored_anew() {
    // 4 s of speech, 30 s of hold in which media time does not count, 4 s of speech.
    let mut sent = Vec::new();
    for nth in 0..400 {
        let mut packet = speech(CALLER, Codec::Pcma, nth, if nth < 200 { 440.0 } else { 880.0 });
        if nth >= 200 {
            packet.arrives_us += 30_000_000;
        }
        sent.push(packet);
    }
    let marks = [(4_100, Mark::Hold), (33_900, Mark::Resume)];
    let wav = finish(&mut record(sent, &marks, Some(38_000)));
    assert_eq!(wav.millis, 38_000);
    let [left, right] = wav.channels();
    assert!(level(&left[..32_000], 440.0) > 7_900.0);
    assert!(left[32_000..272_000].iter().all(|s| s.abs() < 20), "hold is silence");
    assert!(onset(&left, 880.0).abs_diff(272_000) < 80, "{}", onset(&left, 880.0));
    assert!(level(&left[272_000..], 880.0) > 7_900.0);
    assert!(right.iter().all(|s| s.abs() < 20));
}

#[test]
fn media_time_that_jumps_moves_nothing() {
    for jump in [1u64 << 40, 8_000 * 3_600, 8_001, 4_000, u64::MAX - 100_000] {
        let sent = (0..400)
            .map(|nth| {
                let mut packet = speech(CALLER, Codec::Pcma, nth, if nth < 200 { 440.0 } else { 880.0 });
                if nth >= 200 {
                    packet.media_time = packet.media_time.wrapping_add(jump);
                }
                packet
            })
            .collect();
        let wav = finish(&mut record(sent, &[], Some(8_000)));
        let [left, _] = wav.channels();
        assert!(onset(&left, 880.0).abs_diff(32_000) < 160, "{jump}: {}", onset(&left, 880.0));
        assert!(level(&left[..31_900], 440.0) > 7_800.0 && level(&left[32_100..], 880.0) > 7_800.0, "{jump}");
    }
}

#[test]
fn a_clock_that_drifts_is_followed() {
    // 200 ppm over 20 minutes: 240 ms.
    let sent = (0..60_000)
        .map(|nth| {
            let mut packet = speech(CALLER, Codec::Pcma, nth, if nth < 59_500 { 440.0 } else { 880.0 });
            packet.arrives_us = packet.arrives_us * 10_002 / 10_000;
            packet
        })
        .collect();
    let wav = finish(&mut record(sent, &[], Some(1_200_240)));
    let [left, _] = wav.channels();
    let wanted = 59_500 * 160 * 10_002 / 10_000;
    assert!(onset(&left, 880.0).abs_diff(wanted) < 160, "{} for {wanted}", onset(&left, 880.0));
}

#[test]
fn two_persons_at_once_are_both_heard_on_the_right() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let sent = (0..200)
            .flat_map(|nth| [speech(AGENT, codec, nth, 440.0), speech(EXPERT, codec, nth, 660.0)])
            .collect();
        let wav = finish(&mut record(sent, &[], Some(4_000)));
        let [left, right] = wav.channels();
        assert!(level(&right, 440.0) > 7_500.0 && level(&right, 660.0) > 7_500.0, "{codec:?}");
        assert!(left.iter().all(|s| s.abs() < 20));
    }
}

#[test]
fn a_conference_which_has_no_caller_is_in_both_channels_and_all_who_speak_are_persons() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let sent = (0..200)
            .flat_map(|nth| [speech(AGENT, codec, nth, 440.0), speech(EXPERT, codec, nth, 660.0)])
            .collect();
        let wav = finish(&mut record_for(CALL, sent, &[], Some(4_000)));
        let [left, right] = wav.channels();
        assert!(left == right, "{codec:?}");
        assert!(level(&left, 440.0) > 7_500.0 && level(&left, 660.0) > 7_500.0, "{codec:?}");
        let channels: Vec<_> = wav.events.legs.iter().map(|leg| leg.channel).collect();
        assert_eq!(channels, ["both", "both"], "and nobody on the left alone");
        assert_eq!((wav.events.shares.caller_ms, wav.events.shares.both_ms), (0, 0));
        assert!(wav.events.shares.persons_ms > 3_900);
        let pixel = &wav.peaks[24 + 200 * 4..][..4];
        assert!(pixel[..2] == pixel[2..] && pixel[1] > 28, "{pixel:?}");
    }
}

#[test]
fn one_person_after_another_is_kept_byte_by_byte() {
    let sent: Vec<Sent> = (0..500)
        .map(|nth| {
            let (leg, hz) = if nth < 250 { (AGENT, 440.0) } else { (EXPERT, 660.0) };
            speech(leg, Codec::Pcmu, nth, hz)
        })
        .collect();
    let spoken: Vec<u8> = sent.iter().flat_map(|packet| packet.payload.clone()).collect();
    let wav = finish(&mut record(sent, &[], Some(10_000)));
    let kept: Vec<u8> = wav.bytes[58..].chunks_exact(2).map(|frame| frame[1]).collect();
    assert!(spoken == kept);
}

#[test]
fn a_recording_without_its_end_is_as_long_as_its_last_sign_of_life() {
    let sent: Vec<Sent> = (0..250).map(|nth| speech(CALLER, Codec::Pcma, nth, 440.0)).collect();
    let mut blocks = record(sent, &[], None);
    let wav = finish(&mut blocks);
    assert!(!wav.ended);
    assert_eq!(wav.millis, 5_000);
    // Without its last block too: what a kill costs is below a second.
    blocks.pop();
    let shorter = finish(&mut blocks);
    assert!((4_000..5_000).contains(&shorter.millis), "{}", shorter.millis);
}

#[test]
fn a_missing_block_is_silence_and_the_rest_keeps_its_place() {
    let sent: Vec<Sent> = (0..500).map(|nth| speech(CALLER, Codec::Pcma, nth, 440.0)).collect();
    let spoken: Vec<u8> = sent.iter().flat_map(|packet| packet.payload.clone()).collect();
    let mut blocks = record(sent, &[], Some(10_000));
    blocks.remove(5);
    let wav = finish(&mut blocks);
    let kept: Vec<u8> = wav.bytes[58..].chunks_exact(2).map(|frame| frame[0]).collect();
    assert_eq!(kept.len(), spoken.len());
    let changed = kept.iter().zip(&spoken).filter(|(kept, spoken)| kept != spoken).count();
    assert!((1..=8_000).contains(&changed), "{changed}");
    let silent =
        kept.iter().zip(&spoken).all(|(kept, spoken)| kept == spoken || *kept == g711::silence(Law::Pcma));
    assert!(silent);
}

#[test]
fn nothing_recorded_is_silence_of_its_length() {
    let wav = finish(&mut record(Vec::new(), &[], Some(1_500)));
    assert_eq!((wav.millis, wav.format), (1_500, Format::G711(Law::Pcma)));
    assert!(wav.bytes[58..].iter().all(|byte| *byte == 0xd5));
    assert!(Survey::default().plan().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Each packet that came stands within 20 ms of where it was spoken, and both channels within 20 ms of each other.
    #[test]
    fn nought_to_twenty_percent_of_every_harm_move_nothing(
        seed in 1u64..u64::MAX,
        lost in 0u64..=20,
        late in 0u64..=20,
        doubled in 0u64..=20,
        jitter_ms in 0u64..=60,
    ) {
        let mut chance = Chance(seed);
        let mut came: Vec<(u64, Vec<u8>, usize)> = Vec::new();
        let mut sent = Vec::new();
        for nth in 0..600 {
            for (place, leg) in [CALLER, AGENT].into_iter().enumerate() {
                let payload: Vec<u8> = (0..160).map(|_| chance.below(256) as u8).collect();
                let mut arrives_us = (nth + 1) * 20_000 + chance.below(jitter_ms * 1_000 + 1);
                if chance.below(100) < late {
                    // Behind several that were sent later.
                    arrives_us += 80_000;
                }
                let packet = Sent { leg, arrives_us, media_time: nth * 160, codec: Codec::Pcma, payload };
                if chance.below(100) < lost {
                    continue;
                }
                came.push((nth, packet.payload.clone(), place));
                if chance.below(100) < doubled {
                    sent.push(Sent { arrives_us: packet.arrives_us + 5_000, ..packet.clone() });
                }
                sent.push(packet);
            }
        }
        let wav = finish(&mut record(sent, &[], Some(12_200)));
        let channels = [0, 1].map(|place| {
            wav.bytes[58..].chunks_exact(2).map(|frame| frame[place]).collect::<Vec<u8>>()
        });
        let mut moved = [[i64::MAX, i64::MIN]; 2];
        for (nth, payload, place) in came {
            let spoken = (nth * 160) as i64;
            let at = (spoken - 160..=spoken + 160).find(|at| {
                let from = usize::try_from(*at).ok();
                from.and_then(|from| channels[place].get(from..from + 160)).is_some_and(|kept| kept == payload)
            });
            prop_assert!(at.is_some(), "packet {nth} of channel {place} is not within 20 ms");
            let by = at.unwrap() - spoken;
            moved[place] = [moved[place][0].min(by), moved[place][1].max(by)];
        }
        let spread = moved[0][1].max(moved[1][1]) - moved[0][0].min(moved[1][0]);
        prop_assert!(spread <= 160, "channels {moved:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever comes: no panic, and the file is exactly as long as the recording.
    #[test]
    fn any_packets_make_a_file_of_the_right_length(
        packets in proptest::collection::vec(
            (0u64..4, 0u64..20_000_000, any::<u64>(), any::<bool>(), 0usize..400), 0..300),
        end_ms in 0u64..25_000,
    ) {
        let sent = packets
            .into_iter()
            .map(|(leg, arrives_us, media_time, pcma, length)| Sent {
                leg: CALLER + leg,
                arrives_us,
                media_time: if leg == 3 { media_time } else { media_time % 160_000 },
                codec: if pcma { Codec::Pcma } else { Codec::Pcmu },
                payload: vec![0x2a; length],
            })
            .collect();
        let wav = finish(&mut record(sent, &[], Some(end_ms)));
        // The end may lie before packets that were recorded in this test; it is what counts.
        prop_assert!(wav.millis <= 25_000);
    }
}

#[test]
fn the_file_of_events_tells_what_happened_and_who_spoke_for_how_long() {
    // The caller speaks for 10 s, the agent from 4 s on; a key is masked, then somebody pauses, then a hold.
    let mut sent: Vec<Sent> = (0..500).map(|nth| speech(CALLER, Codec::Pcma, nth, 440.0)).collect();
    sent.extend((200..500).map(|nth| speech(AGENT, Codec::Pcma, nth, 660.0)));
    let marks = [
        (1_000, Mark::Mask(MaskCause::Secret)),
        (2_000, Mark::Mask(MaskCause::Paused)),
        (2_500, Mark::Unmask(MaskCause::Secret)),
        (3_000, Mark::Unmask(MaskCause::Paused)),
        (6_000, Mark::Transferred(EXPERT.into())),
        (9_000, Mark::Hold),
        (9_500, Mark::Resume),
    ];
    let wav = finish(&mut record(sent, &marks, Some(12_000)));
    let Events { shares, complete, ref legs, ref events, started_us, .. } = wav.events;
    assert!(complete);
    assert_eq!(
        (started_us, legs.len(), legs[0].channel, legs[2].channel),
        (1_795_000_000_000_000, 3, "left", "right")
    );
    let told: Vec<(u64, &str, Option<&str>)> =
        events.iter().map(|one| (one.at_ms, one.event, one.cause)).collect();
    // A mark stands where a packet or the next block let it: to the microsecond.
    let wanted = [
        (0, "started", None),
        (1_000, "mask", Some("secret")),
        (2_000, "mask", Some("paused")),
        (2_500, "unmask", Some("secret")),
        (3_000, "unmask", Some("paused")),
        (6_000, "transferred", None),
        (9_000, "hold", None),
        (9_500, "resume", None),
        (12_000, "ended", None),
    ];
    assert_eq!(told, wanted);
    assert_eq!(events[5].leg, Some(LegId::from(EXPERT).to_string()));
    // Two seconds were masked; what arrived in them was spoken up to 20 ms before.
    let near = |is: u64, should: u64| assert!(is.abs_diff(should) <= 40, "{shares:?}: {is}, not {should}");
    near(shares.masked_ms, 2_000);
    near(shares.caller_ms, 8_000);
    near(shares.persons_ms, 6_000);
    near(shares.both_ms, 6_000);
    near(shares.silence_ms, 2_000);
    let sum = shares.caller_ms + shares.persons_ms - shares.both_ms + shares.silence_ms + shares.held_ms;
    assert_eq!(sum + shares.masked_ms, 12_000);
    // The waveform is flat where nothing is kept, and as high as the tone where it sounds.
    let pixel = |at_ms: usize| &wav.peaks[24 + at_ms / 10 * 4..][..4];
    assert_eq!(pixel(1_500), [0, 0, 0, 0]);
    assert!(pixel(5_000).iter().all(|extreme| (*extreme as i8).unsigned_abs() > 28), "{:?}", pixel(5_000));
}
