//! Owns the making of playable files from a journal that stands alone, as its second place has it. Does not own a running
//! switch's finisher (see [`crate::finish`]).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use media::finisher::Head;
use media::recording::{BlockView, Found, Place, scan};
use model::RecordingId;

use crate::finish::{self, FinishError, Job, Made};
use crate::journal::{Ended, segments_in};

/// Makes the playable file of every recording whose blocks are in the segments of `journal`, below `into`; one that is
/// there already stays. Each is told to `told`, by its recording, with its file or why there is none.
///
/// # Errors
/// When the segments cannot be read.
pub fn rescue(
    journal: &Path,
    into: &Path,
    mut told: impl FnMut(RecordingId, Result<Made, FinishError>),
) -> io::Result<()> {
    for (recording, (head, last)) in recordings(journal)? {
        let ended = Ended { recording, call: head.call, tenant: head.tenant };
        let made = finish::make(into, journal, &Job { ended, last: Some(last) });
        told(recording, made);
    }
    Ok(())
}

/// Every recording in the journal with its last block, finished or not.
fn recordings(journal: &Path) -> io::Result<BTreeMap<RecordingId, (Head, Place)>> {
    let mut found = BTreeMap::new();
    for (number, path) in segments_in(journal)? {
        for block in scan(number, &fs::read(path)?) {
            if let Found::Block(BlockView::Audio(block)) = block {
                let known = found.entry(block.recording());
                known.or_insert_with(|| (Head::of(&block), block.place())).1 = block.place();
            }
        }
    }
    Ok(found)
}
