//! Owns the seeded mutator: 300,000 damaged inputs through everything that reads bytes from the network, the same ones on
//! each run. Nothing panics, nothing takes long, and enough is still accepted that the damage reaches the depths. The
//! targets are those of `fuzz/`, which libFuzzer drives for longer runs.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;
use std::time::Duration;

/// What is done with each input, and how much of it.
struct Target {
    name: &'static str,
    cases: u32,
    run: fn(&[u8]) -> targets::Accepted,
    seeds: Vec<Vec<u8>>,
    /// What its grammar trips over.
    pieces: &'static [&'static [u8]],
}

/// No input may take more CPU time of its thread than this.
const LONGEST: Duration = Duration::from_millis(50);

#[test]
fn no_damage_to_a_message_panics_or_takes_long() {
    let messages = || [files("sip/tests/rfc4475", "dat"), files("sip/tests/field", "sip")].concat();
    attack(Target {
        name: "message",
        cases: 120_000,
        run: targets::message,
        seeds: messages(),
        pieces: TEXT,
    });
    // A stream carries several.
    let mut dice = Dice(3);
    let all = messages();
    let streams =
        (0..200).map(|_| [dice.pick(&all).clone(), b"\r\n\r\n".to_vec(), dice.pick(&all).clone()].concat());
    attack(Target {
        name: "stream",
        cases: 30_000,
        run: targets::stream,
        seeds: streams.collect(),
        pieces: TEXT,
    });
}

#[test]
fn no_damage_to_a_uri_or_a_body_panics_or_takes_long() {
    attack(Target { name: "uri", cases: 40_000, run: targets::uri, seeds: owned(URIS), pieces: TEXT });
    attack(Target {
        name: "multipart",
        cases: 20_000,
        run: targets::multipart,
        seeds: owned(BODIES),
        pieces: TEXT,
    });
    let seeds = files("sdp/tests/field", "sdp");
    attack(Target { name: "sdp", cases: 40_000, run: targets::sdp, seeds, pieces: LINES });
}

#[test]
fn no_damage_to_a_packet_panics_or_takes_long() {
    attack(Target { name: "stun", cases: 15_000, run: targets::stun, seeds: owned(STUN), pieces: BITS });
    attack(Target { name: "rtp", cases: 15_000, run: targets::rtp, seeds: owned(RTP), pieces: BITS });
    attack(Target { name: "rtcp", cases: 20_000, run: targets::rtcp, seeds: owned(RTCP), pieces: BITS });
}

fn attack(target: Target) {
    // One of 64 KiB would take most of the time and show nothing that a shorter one does not.
    let seeds: Vec<Vec<u8>> =
        target.seeds.into_iter().filter(|seed| (1..6_000).contains(&seed.len())).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for case in 0..target.cases {
        let mut bytes = dice.pick(&seeds).clone();
        for _ in 0..=dice.below(4) {
            damage(&mut bytes, &seeds, target.pieces, &mut dice);
        }
        let began = cpu_time();
        accepted += u32::from((target.run)(&bytes));
        let took = cpu_time().saturating_sub(began);
        assert!(
            took < LONGEST,
            "{} case {case} took {took:?}: {}",
            target.name,
            String::from_utf8_lossy(&bytes)
        );
    }
    let (name, cases) = (target.name, target.cases);
    assert!(
        accepted > cases / 20,
        "{name}: only {accepted} of {cases} were accepted, the damage is too coarse"
    );
    assert!(
        accepted < cases * 19 / 20,
        "{name}: {accepted} of {cases} were accepted, the damage does nothing"
    );
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `clock_gettime` writes the `timespec` it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One change to `bytes`.
fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], pieces: &[&[u8]], dice: &mut Dice) {
    if bytes.is_empty() {
        let piece = *dice.pick(pieces);
        return bytes.extend_from_slice(piece);
    }
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes[at] = dice.below(256) as u8,
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..(at + 1 + dice.below(16)).min(bytes.len()))),
        3 => {
            let piece = *dice.pick(pieces);
            bytes.splice(at..at, piece.iter().copied());
        }
        4 => {
            let piece = *dice.pick(pieces);
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        5 => {
            let copy: Vec<u8> = bytes[at..(at + 1 + dice.below(80)).min(bytes.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        6 => {
            let other = dice.pick(seeds);
            let from = dice.below(other.len());
            let line = other[from..].split_inclusive(|byte| *byte == b'\n').nth(1).unwrap_or(b"\r\n");
            let here = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bytes.splice(here..here, line.iter().copied());
        }
        _ => bytes[at] ^= 1 << dice.below(8),
    }
}

/// Every file of a corpus.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(folder);
    let entries = std::fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

fn owned(all: &[&[u8]]) -> Vec<Vec<u8>> {
    all.iter().map(|one| one.to_vec()).collect()
}

const URIS: &[&[u8]] = &[
    b"sip:4008001234@203.0.113.5:5060;user=phone",
    b"sips:bob:secret@example.com;transport=tcp;lr?Replaces=a%3Bto-tag%3Db&Subject=x",
    b"tel:+86-138-0013-8000;phone-context=+86",
    b"sip:+8613800138000;npdi;rn=+1@[2001:db8::1]:5060;maddr=[::1]",
    b"\"GBK \xc4\xe3\" <sip:%2A21%23@h_st.example>;tag=1;q=0.5;expires=60",
    b"soap.beep://192.0.2.103:3002",
    b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com",
];

const BODIES: &[&[u8]] = &[
    b"multipart/mixed;boundary=b\n--b\r\nContent-Type: application/ISUP\r\n\r\n\x01\x00\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\n",
    b"multipart/alternative; boundary=\"x y\"\npreamble\r\n--x y\r\n\r\nplain\r\n--x y\r\nContent-Type:\r\n application/sdp\r\nContent-Disposition: session;handling=required\r\n\r\nv=0\r\n--x y--\r\n",
    b"multipart/mixed;boundary=a\n--a\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n--a--\r\n",
];

const STUN: &[&[u8]] = &[
    b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
    b"\x00\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x80\x22\x00\x05phone\0\0\0",
    b"\x00\x01\x00\x00no cookie here!!",
    b"\x00\x01\x00\x14\x21\x12\xa4\x42abcdefghijkl\x00\x06\x00\x03a:b\0\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x2a\x00\x00",
];

const RTP: &[&[u8]] = &[
    b"\x80\x08\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x01\xd5\xd5\xd5\xd5\xd5\xd5\xd5\xd5",
    b"\x90\xe5\x12\x34\x00\x00\x01\x40\xde\xad\xbe\xef\xbe\xde\x00\x01\x10\xff\x00\x00\x05\x0a\x00\xa0",
    b"\xb2\x00\xff\xff\xff\xff\xff\xff\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\xbe\xde\x00\x00payload\x00\x00\x03",
];

const RTCP: &[&[u8]] = &[
    b"\x81\xc8\x00\x0c\x00\x00\x00\x01\xe9\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa0\x00\x00\x00\x10\x00\x00\x0a\x00\x00\x00\x00\x02\x01\x00\x00\x03\x00\x00\x00\x63\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x81\xca\x00\x03\x00\x00\x00\x01\x01\x04phon\0\0",
    b"\x80\xc9\x00\x01\x00\x00\x00\x01\x81\xcb\x00\x01\x00\x00\x00\x01",
];

/// What binary formats trip over.
const BITS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\x80",
    b"\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x80\x28\x00\x04\0\0\0\0",
    b"\0\x01",
    b"\x9f",
    b"\xbf",
    b"\x81\xc9\x00\x07",
];

/// What lines of a description trip over.
const LINES: &[&[u8]] = &[
    b"m=audio 4000 RTP/AVP 8\r\n",
    b"c=IN IP4 ",
    b"a=rtpmap:",
    b"\r\n",
    b"=",
    b"/",
    b"99999999999999999999",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"a=ptime:",
    b"a=crypto:1 A inline:",
];

/// What SIP's grammars trip over.
const TEXT: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b"\"",
    b"\\",
    b"\\\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"?",
    b"=",
    b"%",
    b"%00",
    b"%2",
    b"[",
    b"]",
    b"[::1]",
    b" ",
    b"\t",
    b"*",
    b";;",
    b",,",
    b";tag=",
    b";lr",
    b";rport",
    b"\xff",
    b"\xd5\x5c",
    b"\xe5\xae\xa2",
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b"99999999999999999999",
    b"-1",
    b"Content-Length: ",
    b"l: 4\r\n",
    b"Via: ",
    b"v: SIP/2.0/UDP h\r\n",
    b"Contact: *\r\n",
    b";received=[::1]",
];

/// SplitMix64: the same numbers on each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
