use super::*;

fn entry(nth: u64) -> Entry {
    Entry {
        at: WallTime(1_795_311_000_000_000 + nth as i64),
        deed: if nth.is_multiple_of(5) { Deed::Expired } else { Deed::Kept },
        recording: RecordingId::from(nth),
        call: CallId::from(nth + 100),
        tenant: TenantId::new("企业 100%\t"),
        bytes: 58 + nth,
        sha256: hex(&Sha256::digest(nth.to_le_bytes())),
        path: format!("recordings/企业 100%\t/2026/11/22/{nth}.wav"),
    }
}

fn lines(count: u64) -> Vec<String> {
    let mut chain = Chain::default();
    (1..=count).map(|nth| chain.write(&entry(nth)).trim_end_matches('\n').to_owned()).collect()
}

/// The numbers of the entries that are read, and the flaws.
fn read(lines: &[String]) -> (Vec<u64>, Vec<Flaw>) {
    let mut chain = Chain::default();
    let (mut entries, mut flaws) = (Vec::new(), Vec::new());
    for line in lines {
        let (entry, flaw) = chain.read(line);
        entries.extend(entry.map(|entry| entry.recording.raw()));
        flaws.extend(flaw);
    }
    (entries, flaws)
}

#[test]
fn what_is_written_is_read_and_the_chain_goes_on_from_anywhere() {
    let lines = lines(12);
    let mut reader = Chain::default();
    for (nth, line) in (1..).zip(&lines) {
        assert_eq!(reader.read(line), (Some(entry(nth)), None));
    }
    let mut later = Chain::somewhere();
    assert_eq!(later.read(&lines[11]), (Some(entry(12)), None));
    assert_eq!(later, reader);
    assert_eq!(later.write(&entry(13)), reader.write(&entry(13)));
}

#[test]
fn any_changed_byte_of_a_line_is_told_once_and_names_the_line() {
    let good = lines(3);
    for at in 0..good[1].len() {
        let mut bad = good.clone();
        let mut bytes = bad[1].clone().into_bytes();
        // Stays within ASCII, and UTF-8 stays UTF-8 or is no line at all.
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        bad[1] = text;
        let (entries, flaws) = read(&bad);
        assert_eq!(entries, [1, 3], "byte {at}");
        assert_eq!(flaws[0], Flaw::Changed { number: 2 }, "byte {at}");
    }
}

#[test]
fn a_line_taken_out_put_in_doubled_or_moved_breaks_the_chain() {
    let good = lines(6);
    let unchained = |number, expected| Flaw::Unchained { number, expected };
    let without = [&good[..2], &good[3..]].concat();
    assert_eq!(read(&without), (vec![1, 2, 4, 5, 6], vec![unchained(4, 3)]));
    let doubled = [&good[..2], &good[1..]].concat();
    assert_eq!(read(&doubled).1, [unchained(2, 3)]);
    let mut moved = good.clone();
    moved.swap(2, 3);
    assert_eq!(read(&moved).1, [unchained(4, 3), unchained(3, 5), unchained(5, 4)]);
    // One who hashes the changed line anew is told by the next.
    let mut forged = good.clone();
    let mut chain = Chain::default();
    for nth in 1..=2 {
        chain.write(&entry(nth));
    }
    forged[2] = chain.write(&Entry { bytes: 1, ..entry(3) }).trim_end().to_owned();
    assert_eq!(read(&forged).1, [unchained(4, 4)]);
    assert_eq!(read(&good).1, []);
}
