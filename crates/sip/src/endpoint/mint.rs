//! Owns the making of branches, tags and Call-IDs: unguessable because of a secret, unique because of a counter.

use std::hash::{DefaultHasher, Hasher};

use super::EndpointConfig;

/// Makes names that no peer can guess and no shard makes twice (RFC 3261 §8.1.1.7, §19.3).
#[derive(Debug)]
pub(crate) struct Mint {
    /// SipHash, made for keys like ours, that has eaten the secret, the node, the shard and the start.
    seed: DefaultHasher,
    count: u64,
    shard: u8,
    node: u8,
}

impl Mint {
    pub(crate) fn new(config: &EndpointConfig) -> Mint {
        let mut seed = DefaultHasher::new();
        seed.write(&config.secret);
        seed.write(&[config.shard, config.node]);
        seed.write_i64(config.start_secs);
        Mint { seed, count: 0, shard: config.shard, node: config.node }
    }

    /// 64 bits that only this endpoint can make from `label` and `value`.
    pub(crate) fn mac(&self, label: u8, value: u64) -> u64 {
        let mut hasher = self.seed.clone();
        hasher.write_u8(label);
        hasher.write_u64(value);
        hasher.finish()
    }

    fn fresh(&mut self, label: u8) -> u64 {
        self.count += 1;
        self.mac(label, self.count)
    }

    /// A tag of 64 bits.
    pub(crate) fn tag(&mut self) -> String {
        let mut tag = String::with_capacity(16);
        push_hex(&mut tag, self.fresh(b't'), 16);
        tag
    }

    /// A Call-ID that says which shard made it.
    pub(crate) fn call_id(&mut self) -> String {
        let random = self.fresh(b'c');
        let mut text = String::with_capacity(40);
        text.push_str("hl");
        push_hex(&mut text, self.shard.into(), 2);
        push_hex(&mut text, self.node.into(), 2);
        text.push('-');
        push_hex(&mut text, self.count, 1);
        push_hex(&mut text, random, 16);
        text
    }

    /// A number below `bound` that peers cannot foresee.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.fresh(b'r') % bound.max(1)
    }

    /// Writes the branch of client transaction `id`.
    pub(crate) fn push_branch(&self, to: &mut String, id: u64) {
        to.push_str(MAGIC);
        push_hex(to, id, 1);
        to.push('.');
        push_hex(to, self.mac(b'b', id) >> 32, 8);
    }

    /// The client transaction that `branch` was made for.
    pub(crate) fn tx_of(&self, branch: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(branch.strip_prefix(MAGIC.as_bytes())?).ok()?;
        let (id, mac) = text.split_once('.')?;
        let (id, mac) = (u64::from_str_radix(id, 16).ok()?, u64::from_str_radix(mac, 16).ok()?);
        (self.mac(b'b', id) >> 32 == mac).then_some(id)
    }

    /// A branch for an ACK to a 2xx, which has no transaction.
    pub(crate) fn ack_branch(&mut self) -> AckBranch {
        AckBranch(self.fresh(b'a'))
    }
}

/// The branch of an ACK to a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AckBranch(u64);

impl AckBranch {
    /// Writes it behind what a Via has before its branch.
    pub(crate) fn push_to(self, to: &mut String) {
        to.push_str(MAGIC);
        to.push('a');
        push_hex(to, self.0, 16);
    }
}

/// Writes `number` in at least `width` hexadecimal digits, without the cost of a format.
fn push_hex(to: &mut String, number: u64, width: u32) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(width);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place) & 0xf) as usize;
        to.push(char::from(b"0123456789abcdef"[digit]));
    }
}

/// The shard whose endpoint minted `call_id`, when its form says so.
pub fn shard_of_call_id(call_id: &[u8]) -> Option<u8> {
    let text = call_id.strip_prefix(b"hl")?.get(..5)?;
    let (digits, dash) = (std::str::from_utf8(text.get(..2)?).ok()?, text[4]);
    (dash == b'-').then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// RFC 3261 §8.1.1.7: what branches begin with.
pub(crate) const MAGIC: &str = "z9hG4bK";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_those_of_a_format() {
        for number in [0, 1, 0xf, 0x10, 0xdead_beef, 1 << 60, u64::MAX] {
            let write = |width| {
                let mut text = String::new();
                push_hex(&mut text, number, width);
                text
            };
            assert_eq!([write(1), write(8)], [format!("{number:x}"), format!("{number:08x}")]);
            assert_eq!(write(16), format!("{number:016x}"));
        }
    }

    #[test]
    fn a_branch_names_its_transaction_and_a_guessed_one_does_not() {
        let mint = Mint::new(&EndpointConfig::default());
        let mut branch = String::new();
        mint.push_branch(&mut branch, 0x1_0000_0002);
        assert_eq!(mint.tx_of(branch.as_bytes()), Some(0x1_0000_0002));
        let other = Mint::new(&EndpointConfig { secret: [1; 16], ..EndpointConfig::default() });
        assert_eq!(other.tx_of(branch.as_bytes()), None);
        for rubbish in ["", "z9hG4bK", "z9hG4bK.", "z9hG4bK1.2", "z9hG4bKg.g", "z9hG4bK\u{e9}"] {
            assert_eq!(mint.tx_of(rubbish.as_bytes()), None, "{rubbish}");
        }
    }

    #[test]
    fn a_call_id_begins_with_its_shard_and_no_two_are_alike() {
        let mut mint = Mint::new(&EndpointConfig { shard: 11, ..EndpointConfig::default() });
        let (a, b) = (mint.call_id(), mint.call_id());
        assert_ne!(a, b);
        assert_eq!(shard_of_call_id(a.as_bytes()), Some(11));
        for foreign in ["", "hl", "hl0b00", "hlzz00-", "a84b4c76e66710@pc33.atlanta.com"] {
            assert_eq!(shard_of_call_id(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn tags_differ_between_starts_and_calls() {
        let mut first = Mint::new(&EndpointConfig::default());
        let mut again = Mint::new(&EndpointConfig { start_secs: 1, ..EndpointConfig::default() });
        let tags = [first.tag(), first.tag(), again.tag()];
        assert!(tags[0] != tags[1] && tags[0] != tags[2] && tags[0].len() == 16);
    }
}
