//! Owns what a journal says to those who only look: when each call was last heard, for the records of calls that a
//! crash cut off, and which recordings wait for their file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use clock::WallTime;
use media::recording::{AudioBlock, BlockView, Entry, Found, scan};
use model::{CallId, RecordingId};

use super::segments::segments_in;

/// The arrival of the last packet, or sign of life, of every call whose audio the journal below `data` still holds; none
/// without a journal.
///
/// # Errors
/// When a segment cannot be read.
pub fn last_heard(data: &Path) -> io::Result<HashMap<CallId, WallTime>> {
    let mut last: HashMap<CallId, WallTime> = HashMap::new();
    each_block(data, |block| {
        if let BlockView::Audio(block) = block {
            let at = heard(&block);
            let known = last.entry(block.call()).or_insert(at);
            *known = at.max(*known);
        }
    })?;
    Ok(last)
}

/// The recordings in the journal below `data` that have no playable file yet.
///
/// # Errors
/// When a segment cannot be read.
pub fn held(data: &Path) -> io::Result<HashSet<RecordingId>> {
    let (mut held, mut finished) = (HashSet::new(), HashSet::new());
    each_block(data, |block| match block {
        BlockView::Audio(block) => drop(held.insert(block.recording())),
        BlockView::Finished(list) => finished.extend(list.recordings()),
    })?;
    held.retain(|recording| !finished.contains(recording));
    Ok(held)
}

/// Shows all blocks of the journal below `data`; there are none without a journal.
fn each_block(data: &Path, mut look: impl FnMut(BlockView<'_>)) -> io::Result<()> {
    let segments = match segments_in(&data.join("journal")) {
        Ok(segments) => segments,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for (number, path) in segments {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // A running switch deletes what nobody needs.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for found in scan(number, &bytes) {
            if let Found::Block(block) = found {
                look(block);
            }
        }
    }
    Ok(())
}

/// When a block's last entry happened.
fn heard(block: &AudioBlock<'_>) -> WallTime {
    let at = |entry: Entry<'_>| match entry {
        Entry::Packet(packet) => packet.at_us,
        Entry::Moment { at_us, .. } => at_us,
    };
    let last = block.entries().map(at).max().unwrap_or(0);
    block.started() + Duration::from_micros(last)
}
