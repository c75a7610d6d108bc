//! Owns the hashing of keys that the switch mints itself: ids of calls, legs, transactions. Does not own keys that a
//! peer chooses, which need a secret (`RandomState`) lest it choose those that collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys no peer chooses.
pub type MintedMap<K, V> = HashMap<K, V, MintedState>;

/// Makes the hashers of a [`MintedMap`].
pub type MintedState = BuildHasherDefault<MintedHasher>;

/// One multiplication for each number of a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct MintedHasher(u64);

impl Hasher for MintedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(number));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    // Ids count up by 65,536: the upper half of the product brings their upper bits to where a table looks.
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn ids_that_count_up_spread_over_a_table_by_low_and_by_high_bits() {
        let state = MintedState::default();
        let hashes: Vec<u64> = (0..4_096_u64).map(|nth| state.hash_one(nth << 16 | 0x0103)).collect();
        for shift in [0, 52] {
            let mut places = [0_u32; 1_024];
            for hash in &hashes {
                places[(hash >> shift) as usize % 1_024] += 1;
            }
            let fullest = places.iter().max().copied().unwrap_or_default();
            assert!(fullest <= 16, "{fullest} of 4,096 ids in one of 1,024 places, by bits from {shift}");
        }
    }

    #[test]
    fn a_key_of_bytes_differs_in_each_byte() {
        let state = MintedState::default();
        assert_ne!(state.hash_one("abcdefghi"), state.hash_one("abcdefghj"));
        assert_ne!(state.hash_one((1_u64, 2_u32)), state.hash_one((2_u64, 1_u32)));
    }
}
