//! Owns when each call of a journal was last heard, for the records of calls that a crash cut off.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use clock::WallTime;
use media::recording::{AudioBlock, BlockView, Entry, Found, scan};
use model::CallId;

use super::segments::segment_number;

/// The arrival of the last packet, or sign of life, of every call whose audio the journal below `data` still holds; none
/// without a journal.
///
/// # Errors
/// When a segment cannot be read.
pub fn last_heard(data: &Path) -> io::Result<HashMap<CallId, WallTime>> {
    let mut last: HashMap<CallId, WallTime> = HashMap::new();
    let entries = match fs::read_dir(data.join("journal")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(last),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let Some(number) = segment_number(&path) else { continue };
        let bytes = fs::read(&path)?;
        for found in scan(number, &bytes) {
            if let Found::Block(BlockView::Audio(block)) = found {
                let at = heard(&block);
                let known = last.entry(block.call()).or_insert(at);
                *known = at.max(*known);
            }
        }
    }
    Ok(last)
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
