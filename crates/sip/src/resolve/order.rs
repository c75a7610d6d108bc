//! Owns the order of SRV records: priorities, then a draw by weight. RFC 2782.

use super::{Place, Srv};
use crate::endpoint::Transport;

/// The hosts of `records`, in the order in which they are to be tried.
pub(super) fn places(mut records: Vec<Srv>, transport: Transport, random: &mut u64) -> Vec<Place> {
    // RFC 2782: a lone "." says that the service is not offered here.
    records.retain(|record| !matches!(&*record.target, "" | "."));
    // Records of weight 0 stand first, so that they have a small chance; the rest keeps a fixed order, so that the
    // draw depends on the number alone.
    records.sort_by(|a, b| {
        (a.priority, a.weight, &a.target, a.port).cmp(&(b.priority, b.weight, &b.target, b.port))
    });
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equal = records.iter().take_while(|record| record.priority == priority).count();
        let sum: u64 = records[..equal].iter().map(|record| u64::from(record.weight)).sum();
        let drawn = below_or_equal(random, sum);
        let mut running = 0;
        let at = records[..equal].iter().position(|record| {
            running += u64::from(record.weight);
            running >= drawn
        });
        let record = records.remove(at.unwrap_or(0));
        ordered.push(Place { transport, host: record.target, port: record.port });
    }
    ordered
}

/// A number from 0 to `most`, both included, and the next state: SplitMix64.
fn below_or_equal(state: &mut u64, most: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper half of the product: even for every sum of 16-bit weights.
    ((u128::from(mixed) * (u128::from(most) + 1)) >> 64) as u64
}
