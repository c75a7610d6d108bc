use super::*;

fn message(sent: bool, remote: &str, text: &str) -> MessageView {
    MessageView {
        at: "2026-11-22T21:38:27.250+08:00".into(),
        micros: 1_795_354_707_250_000,
        sent,
        transport: "udp".into(),
        local: if remote.starts_with('[') { "[2001:db8::1]:5060" } else { "192.0.2.1:5060" }.into(),
        remote: remote.into(),
        bytes: text.replace('\n', "\r\n").into_bytes(),
    }
}

fn story() -> Vec<MessageView> {
    vec![
        message(false, "192.0.2.2:5060", "INVITE sip:4008001234@h SIP/2.0\nCSeq: 1 INVITE\n\nv=0\n"),
        message(true, "192.0.2.3:5070", "INVITE sip:8001@h SIP/2.0\nCSeq: 1 INVITE\n\nv=0\n"),
        message(false, "192.0.2.3:5070", "SIP/2.0 200 OK\nCSeq: 1 INVITE\n\nv=0\n"),
        message(true, "192.0.2.4:5070", "CANCEL sip:8002@h SIP/2.0\nCSeq: 1 CANCEL\n\n"),
    ]
}

#[test]
fn arrows_go_from_who_sends_to_who_receives() {
    let lines = ladder::lines(&story());
    let heads: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heads.join(" "), "udp 192.0.2.2:5060 hotline udp 192.0.2.3:5070 udp 192.0.2.4:5070");
    assert!(lines[2].starts_with("21:38:27.250  │─"), "{}", lines[2]);
    assert!(lines[2].contains(" INVITE 4008001234 (SDP) ─") && lines[2].contains("▶│"), "{}", lines[2]);
    assert!(lines[3].contains(" INVITE 8001 (SDP) ─") && lines[3].contains("▶│"), "{}", lines[3]);
    assert!(lines[4].contains("│◀─") && lines[4].contains(" 200 OK (INVITE, SDP) ─"), "{}", lines[4]);
    // Past the third party's column, to the fourth.
    assert!(lines[5].ends_with("▶│") && lines[5].contains(" CANCEL 8002 ─"), "{}", lines[5]);
    let wide = |line: &String| line.chars().count();
    assert_eq!(wide(&lines[5]), 14 + 3 * 34 + 1, "{}", lines.join("\n"));
}

#[test]
fn checksums_of_a_capture_hold_and_lengths_add_up() {
    for story in [story(), vec![message(false, "[2001:db8::2]:5060", "BYE sip:a@b SIP/2.0\nCSeq: 2 BYE\n\n")]]
    {
        let file = pcap::file(&story).unwrap();
        let mut at = 24;
        for message in &story {
            let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
            let packet = &file[at + 16..at + 16 + length];
            let (ip, addresses) = if packet[0] >> 4 == 4 { (20, 12) } else { (40, 8) };
            if ip == 20 {
                assert_eq!(pcap::checksum(&packet[..20]), 0);
            }
            let udp = &packet[ip..];
            let pseudo = [&packet[addresses..ip], &[0, 17], &udp[4..6]].concat();
            assert_eq!(pcap::checksum(&[&pseudo[..], udp].concat()), 0);
            assert_eq!(&udp[8..], message.bytes);
            at += 16 + length;
        }
        assert_eq!(at, file.len());
    }
}
