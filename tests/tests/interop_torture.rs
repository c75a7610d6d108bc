//! The exam against the running switch: every message of RFC 4475, every message and description seen in the field, over
//! UDP and over TCP in pieces of one byte, gets the answer that `docs/rfc4475.md` gives it. The document's own
//! configuration is what the switch runs on, and its tables are what the answers are held against.

mod torture;

use hotline_tests::{Switch, alone, may_use_raw_sockets, turn};
use torture::carrier::Carrier;
use torture::document::{Document, Row};
use torture::message;

/// Holds one table's cells against what the switch says.
struct Exam {
    wrong: Vec<String>,
    asked: usize,
}

impl Exam {
    fn new() -> Exam {
        Exam { wrong: Vec::new(), asked: 0 }
    }

    fn hold(&mut self, what: &str, expected: &str, answer: impl FnOnce(&str) -> String) {
        self.asked += 1;
        let answer = answer(expected);
        if answer != expected {
            self.wrong.push(format!("{what}: {answer}, the document says {expected}"));
        }
    }

    fn passed(self, least: usize) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        assert!(self.asked >= least, "{} were asked", self.asked);
    }
}

/// A switch on the document's configuration.
fn switch(document: &Document) -> Switch {
    let files: Vec<(&str, &str)> =
        document.files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let domain = "[node]\ndomain = \"example.com\"\nshards = 1\n\n[limits]";
    Switch::start_with(&[("hotline.toml", "[limits]", domain)], &files)
}

/// Messages that one switch may be asked in a row: those of one round share no transaction, so that none is taken for a
/// retransmission of another within 32 s.
fn rounds<'d>(rows: &'d [Row], folder: &str) -> Vec<Vec<(&'d Row, Vec<u8>)>> {
    let mut rounds: Vec<Vec<(&Row, Vec<u8>)>> = Vec::new();
    for row in rows {
        let raw = message::read(folder, &row.file);
        let key = message::transaction(&raw);
        let is_free = |round: &&mut Vec<(&Row, Vec<u8>)>| {
            round.iter().all(|(_, other)| key.is_none() || message::transaction(other) != key)
        };
        match rounds.iter_mut().find(is_free) {
            Some(round) => round.push((row, raw)),
            None => rounds.push(vec![(row, raw)]),
        }
    }
    rounds
}

#[test]
fn every_message_of_rfc_4475_gets_the_answer_of_the_document() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let document = Document::read();
    let rows = document.table("RFC 4475");
    assert_eq!(rows.len(), 49);
    alone(|| {
        let mut exam = Exam::new();
        for transport in ["UDP", "TCP"] {
            for round in rounds(&rows, "sip/tests/rfc4475") {
                let switch = switch(&document);
                let mut carrier = Carrier::new(switch.sip);
                for (row, raw) in round {
                    let what = format!("{} over {transport}", row.file);
                    exam.hold(&what, row.cell(transport), |expected| carrier.ask(transport, &raw, expected));
                }
            }
        }
        exam.passed(2 * 49);
    });
}

#[test]
fn every_message_of_the_field_gets_the_answer_of_the_document() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let document = Document::read();
    let rows = document.table("Field");
    assert_eq!(rows.len(), 61);
    alone(|| {
        let mut exam = Exam::new();
        let switch = switch(&document);
        let mut carrier = Carrier::new(switch.sip);
        for transport in ["UDP", "TCP"] {
            for (place, row) in rows.iter().enumerate() {
                // They share transactions and Call-IDs, which would make them copies of each other.
                let raw = message::read("sip/tests/field", &row.file);
                let raw = message::made_unique(&raw, &format!("{transport}{place}"));
                let what = format!("{} over {transport}", row.file);
                exam.hold(&what, row.cell(transport), |expected| carrier.ask(transport, &raw, expected));
            }
        }
        exam.passed(2 * 61);
    });
}

#[test]
fn every_session_description_of_the_field_gets_the_answer_of_the_document() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let document = Document::read();
    let rows = document.table("Descriptions");
    assert_eq!(rows.len(), 51);
    alone(|| {
        let mut exam = Exam::new();
        let switch = switch(&document);
        let mut carrier = Carrier::new(switch.sip);
        for (place, row) in rows.iter().enumerate() {
            let body = message::read("sdp/tests/field", &row.file);
            for transport in ["UDP", "TCP"] {
                let raw = message::invite(&format!("{transport}{place}"), "application/sdp", &body);
                if transport == "UDP" && raw.len() > LONGEST_DATAGRAM {
                    continue;
                }
                let what = format!("{} over {transport}", row.file);
                exam.hold(&what, row.cell("answer"), |expected| carrier.ask(transport, &raw, expected));
            }
        }
        exam.passed(2 * 51 - 1);
    });
}

#[test]
fn other_questions_get_the_answers_of_the_document() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let document = Document::read();
    let rows = document.table("Limits and bodies");
    assert!(rows.len() >= 8);
    alone(|| {
        let mut exam = Exam::new();
        let switch = switch(&document);
        let mut carrier = Carrier::new(switch.sip);
        for transport in ["UDP", "TCP"] {
            for row in &rows {
                let raw = message::special(&row.file, &format!("{transport}-{}", row.file));
                let what = format!("{} over {transport}", row.file);
                exam.hold(&what, row.cell(transport), |expected| carrier.ask(transport, &raw, expected));
            }
        }
        exam.passed(2 * rows.len());
    });
}

/// What UDP over IPv4 carries.
const LONGEST_DATAGRAM: usize = 65_507;
