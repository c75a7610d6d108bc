//! Owns the exam: RFC 4475's messages and those of the field, each with the verdict and the answer it should get.

mod corpus;

use bytes::Bytes;
use sip::Message;

/// How far a message gets: `accept`, `validate` when only the whole is wrong, `reject` when a part is.
fn verdict(raw: Vec<u8>) -> (&'static str, String) {
    let parsed = Message::parse_datagram(Bytes::from(raw)).map_err(|error| ("reject", error));
    let checked = parsed.and_then(|message| message.validate().map_err(|error| ("validate", error)));
    match checked {
        Ok(()) => ("accept", "-".to_owned()),
        Err((verdict, error)) => {
            let status = error.answer().map(|answer| answer.status.to_string());
            (verdict, status.unwrap_or_else(|| "discard".to_owned()))
        }
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict_and_its_answer() {
    let cases = corpus::cases("rfc4475");
    assert_eq!(cases.len(), 49);
    let mut wrong = Vec::new();
    for case in cases {
        let (verdict, answer) = verdict(case.raw());
        let expected = (case.cells[1].as_str(), case.cells[2].as_str());
        if (verdict, answer.as_str()) != expected {
            wrong.push(format!("{}: {verdict} {answer}, expected {expected:?}", case.file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_of_the_field_gets_its_verdict() {
    let cases = corpus::cases("field");
    assert_eq!(cases.len(), 61);
    let mut wrong = Vec::new();
    for case in cases {
        let (verdict, _) = verdict(case.raw());
        let right = match case.cells[0].as_str() {
            "accept" => verdict == "accept",
            "reject" => verdict != "accept",
            _ => true,
        };
        if !right {
            wrong.push(format!("{}: {verdict}, expected {:?}", case.file, case.cells));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
