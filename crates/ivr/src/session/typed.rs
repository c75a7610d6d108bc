//! Owns keys typed before a menu asks for them. Does not own what they mean.

use std::collections::VecDeque;

use model::say::Key;

/// Keys kept at most; later ones are lost.
const CAPACITY: usize = 32;

/// Keys in the order they were pressed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct TypeAhead(VecDeque<Key>);

impl TypeAhead {
    pub(super) fn push(&mut self, key: Key) {
        if self.0.len() < CAPACITY {
            self.0.push_back(key);
        }
    }

    pub(super) fn take(&mut self) -> Option<Key> {
        self.0.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_third_key_is_lost_and_the_rest_keep_their_order() {
        let mut typed = TypeAhead::default();
        for code in (0..16).chain(0..16) {
            typed.push(Key::from_event(code).unwrap());
        }
        typed.push(Key::from_event(15).unwrap());
        let back: Vec<u8> = std::iter::from_fn(|| typed.take()).map(Key::event).collect();
        assert_eq!(back, (0..16).chain(0..16).collect::<Vec<u8>>());
        assert!(typed.is_empty());
    }
}
