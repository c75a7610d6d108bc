//! The second place of the journal, when it is all that is left.

use super::*;
use crate::{SecondPlace, checksum_of, rescue};

#[test]
fn what_the_second_place_has_makes_the_same_files() {
    let mut stand = stand(30, 1);
    let copy = TempFolder::new("copy");
    let place = SecondPlace { folder: copy.path().to_owned(), keep: Duration::from_secs(3_600) };
    let mut files = Vec::new();
    for nth in 0..3 {
        // It is taken up while calls last, and its end takes nothing away.
        if nth > 0 {
            stand.net.set_second(None);
            stand.net.set_second(Some(place.clone()));
        }
        let call = stand.ids.mint();
        let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
        stand.join(call, &caller, &agent);
        let recording = stand.record(call, &caller, &agent);
        stand.paced(60, || {
            caller.say(440.0);
            agent.say(660.0);
            caller.listen();
            agent.listen();
        });
        stand.net.handle(Command::CloseRoom { room: call });
        files.push((recording, stand.file(recording).0));
    }
    stand.net.shutdown();
    assert_eq!((stand.net.live().second_behind, stand.net.live().second_lost), (0, 0));
    let into = TempFolder::new("rescued");
    let mut rescued = Vec::new();
    rescue(copy.path(), into.path(), |recording, made| rescued.push((recording, made.unwrap()))).unwrap();
    // The first was finished before, but its segment was still there.
    assert_eq!(rescued.len(), 3, "{rescued:?}");
    for ((recording, path), (found, made)) in files.iter().zip(&rescued) {
        assert_eq!(recording, found);
        assert_eq!(checksum_of(path).unwrap(), (made.bytes, made.sha256.clone()));
        assert_eq!(checksum_of(&into.path().join(&made.path)).unwrap().1, made.sha256);
    }
}
