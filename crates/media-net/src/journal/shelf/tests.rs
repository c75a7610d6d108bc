use super::*;

fn id(raw: u64) -> RecordingId {
    RecordingId::from(raw)
}

fn at(segment: u64, position: u32) -> Place {
    Place { segment, position }
}

#[test]
fn each_recording_has_a_chain_of_its_own() {
    let mut shelf = Shelf::default();
    assert!(shelf.wrote(id(1), at(0, 32)), "the first of a segment");
    assert!(!shelf.wrote(id(2), at(0, 64)));
    assert!(!shelf.wrote(id(1), at(0, 96)));
    assert_eq!(
        (shelf.last(id(1)), shelf.last(id(2)), shelf.last(id(3))),
        (Some(at(0, 96)), Some(at(0, 64)), None)
    );
}

#[test]
fn a_segment_may_go_when_nobody_unfinished_is_in_it_and_it_does_not_grow() {
    let mut shelf = Shelf::default();
    shelf.wrote(id(1), at(0, 32));
    shelf.wrote(id(2), at(0, 64));
    shelf.wrote(id(2), at(1, 32));
    assert_eq!(shelf.unneeded(Some(1)), None);
    shelf.finished(id(1));
    assert_eq!(shelf.unneeded(Some(1)), None, "the other is still open");
    shelf.finished(id(2));
    assert_eq!(shelf.unneeded(Some(1)), Some(0));
    assert_eq!(shelf.unneeded(Some(0)), Some(1));
    shelf.drop_segment(0);
    assert_eq!(shelf.unneeded(Some(1)), None);
    assert!(shelf.is_empty());
}

#[test]
fn a_mark_that_goes_with_its_segment_is_written_again_while_blocks_stand_elsewhere() {
    let mut shelf = Shelf::default();
    // A long call (1) keeps segment 0; a short one (2) has blocks in 0 and 1, and its mark in 1.
    shelf.wrote(id(1), at(0, 32));
    shelf.wrote(id(2), at(0, 64));
    shelf.wrote(id(2), at(1, 32));
    shelf.finished(id(2));
    shelf.marked(&[id(2)], 1);
    shelf.wrote(id(1), at(2, 32));
    assert_eq!(shelf.unneeded(Some(2)), Some(1));
    assert_eq!(
        shelf.drop_segment(1),
        [id(2)],
        "else the next start would make it again from half its blocks"
    );
    shelf.marked(&[id(2)], 2);
    shelf.finished(id(1));
    assert_eq!(shelf.unneeded(Some(2)), Some(0));
    assert_eq!(shelf.drop_segment(0), [], "nothing of it is left");
    shelf.drop_segment(2);
    assert!(shelf.finished.is_empty() && shelf.unfinished.is_empty() && shelf.segments.is_empty());
}
