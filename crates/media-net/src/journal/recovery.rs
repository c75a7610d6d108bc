//! Owns the reading of a journal that an earlier process left: which recordings have no playable file yet. Does not
//! own the making of the files (see [`crate::finish`]).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use media::finisher::Head;
use media::recording::{BlockView, Found, Place, parse_segment_header, scan};
use model::RecordingId;

use super::Ended;
use super::segments::segments_in;
use super::shelf::Shelf;
use crate::finish::Job;

/// What an earlier process left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The journal's contents.
    pub(super) shelf: Shelf,
    /// The number of the first segment to be made.
    pub(super) next_segment: u64,
    /// A job for each recording without a playable file, oldest first.
    pub jobs: Vec<Job>,
}

/// Reads all segments in `folder`, which is made when it does not exist. Torn blocks are passed over: a crash leaves
/// them.
///
/// # Errors
/// When the folder or a segment cannot be read.
pub fn recover(folder: &Path) -> io::Result<Recovered> {
    fs::create_dir_all(folder)?;
    let files = segments_in(folder)?;

    let mut recovered = Recovered::default();
    let mut heads: HashMap<RecordingId, Head> = HashMap::new();
    let mut finished: HashMap<RecordingId, u64> = HashMap::new();
    for (number, path) in &files {
        let bytes = fs::read(path)?;
        if parse_segment_header(&bytes) != Some(*number) && bytes.iter().any(|byte| *byte != 0) {
            tracing::warn!(path = %path.display(), "a segment without a header is read all the same");
        }
        recovered.shelf.found(*number);
        recovered.next_segment = number + 1;
        for found in scan(*number, &bytes) {
            match found {
                Found::Block(BlockView::Audio(block)) => {
                    heads.entry(block.recording()).or_insert_with(|| Head::of(&block));
                    recovered.shelf.wrote(block.recording(), block.place());
                }
                Found::Block(BlockView::Finished(list)) => {
                    finished.extend(list.recordings().map(|recording| (recording, *number)));
                }
                Found::Damaged { at, damage } => {
                    tracing::warn!(segment = at.segment, position = at.position, %damage, "damage in the journal");
                }
            }
        }
    }
    for (recording, marked_in) in &finished {
        recovered.shelf.finished(*recording);
        recovered.shelf.marked(&[*recording], *marked_in);
    }
    recovered.jobs = jobs(&recovered.shelf, &heads);
    Ok(recovered)
}

fn jobs(shelf: &Shelf, heads: &HashMap<RecordingId, Head>) -> Vec<Job> {
    let mut unfinished: Vec<(RecordingId, Place)> = shelf.unfinished().collect();
    unfinished.sort_unstable();
    unfinished
        .into_iter()
        .filter_map(|(recording, last)| {
            let head = heads.get(&recording)?;
            let ended = Ended { recording, call: head.call, tenant: head.tenant.clone() };
            Some(Job { ended, last: Some(last) })
        })
        .collect()
}
