//! Session descriptions as carriers and phones send them (`tests/field`), and an independent parser as the oracle.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use rtc_sdp::description::session::SessionDescription;
use sdp::{Codec, Connection, Description, Direction, Local, PTIME_MS, Secrecy, Session};

/// Every file of the corpus but the table itself.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/field");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect()
}

fn local() -> Local {
    Local {
        address: "198.51.100.7".parse().unwrap(),
        port: 20_000,
        codecs: vec![Codec::Pcma, Codec::Pcmu].into(),
        dtmf: true,
        noise: false,
        secrecy: Secrecy::Off,
        ptime_ms: PTIME_MS,
        session: Session { id: 1, version: 1 },
        direction: Direction::SendRecv,
    }
}

#[test]
fn the_field_corpus_is_read_as_its_table_says() {
    let table = include_str!("field/expected.tsv");
    let files = corpus();
    let mut seen = 0;
    for row in table.lines().skip(1) {
        let [file, expected, streams, note] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        seen += 1;
        let parsed = Description::parse(&files[file]);
        match (expected, &parsed) {
            ("accept" | "either", Ok(description)) => {
                assert_eq!(description.media().len().to_string(), streams, "{file}: {note}");
                assert_eq!(description.to_bytes()[..], files[file][..], "{file} is kept byte for byte");
            }
            ("reject" | "either", Err(_)) => {}
            _ => panic!("{file} ({note}): expected {expected}, got {parsed:?}"),
        }
    }
    assert_eq!(seen, files.len());
    assert!(seen >= 51);
}

#[test]
fn most_of_the_field_corpus_can_be_answered() {
    let answered: Vec<String> = corpus()
        .into_iter()
        .filter(|(_, text)| Description::parse(text).is_ok_and(|offer| sdp::answer(&offer, &local()).is_ok()))
        .map(|(name, _)| name)
        .collect();
    // Not among them: no audio (T.38, MSRP, BFCP, video), SRTP, WebRTC, a name, a group, IPv6, port 0.
    assert!(answered.len() >= 33, "{}: {answered:?}", answered.len());
}

#[test]
fn an_independent_parser_agrees_on_what_both_accept() {
    let mut agreed = 0;
    let mut divergences = Vec::new();
    for (name, text) in corpus() {
        let Ok(ours) = Description::parse(&text) else { continue };
        let Ok(theirs) = SessionDescription::unmarshal(&mut Cursor::new(&text)) else { continue };
        assert_eq!(ours.media().len(), theirs.media_descriptions.len(), "{name}");
        if let Some(origin) = ours.origin() {
            assert_eq!(text_of(origin.username), theirs.origin.username, "{name}");
            assert_eq!(text_of(origin.id), theirs.origin.session_id.to_string(), "{name}");
            assert_eq!(text_of(origin.version), theirs.origin.session_version.to_string(), "{name}");
            assert_eq!(text_of(origin.address), theirs.origin.unicast_address, "{name}");
        }
        for (our, their) in ours.media().zip(&theirs.media_descriptions) {
            assert_eq!(text_of(our.kind()), their.media_name.media, "{name}");
            assert_eq!(our.port().to_string(), their.media_name.port.value.to_string(), "{name}");
            assert_eq!(text_of(our.protocol()), their.media_name.protos.join("/"), "{name}");
            let formats: Vec<String> = our.formats().map(text_of).collect();
            assert_eq!(formats, their.media_name.formats, "{name}");
            let address = their.connection_information.as_ref().or(theirs.connection_information.as_ref());
            let address = address
                .and_then(|c| c.address.as_ref())
                .map(|a| a.address.split('/').next().unwrap_or_default().to_owned());
            if our.connection().map(host) != address {
                divergences.push(format!("{name} address"));
            }
            let ptime = their.attribute("ptime").flatten().and_then(|ptime| ptime.parse().ok());
            assert_eq!(our.ptime(), ptime, "{name}");
            let said = our.formats_read();
            for (number, codec) in their.codecs() {
                let Some(map) = said.rtpmap(number) else { continue };
                assert_eq!(text_of(map.encoding), codec.name, "{name} {number}");
                assert_eq!(map.clock_rate, codec.clock_rate, "{name} {number}");
            }
        }
        agreed += 1;
    }
    assert!(agreed >= 24, "{agreed} descriptions were compared");
    let document = include_str!("../../../docs/differential.md");
    let table = document.split("\n## ").find(|section| section.starts_with("rtc-sdp")).expect("its section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let pinned: Vec<String> = rows
        .map(|row| {
            row.split(" | ").take(2).map(|cell| cell.trim_end_matches('`')).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(divergences, pinned, "the list of divergences changed");
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn host(connection: Connection<'_>) -> String {
    match connection {
        Connection::Address(ip) | Connection::Multicast(ip) => ip.to_string(),
        Connection::Name(name) => name.to_owned(),
    }
}
