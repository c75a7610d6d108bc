//! Owns the system's memory for blocks that are being built. Does not own which block has which piece of it (see
//! `media::recording::Memory`).
//!
//! Thousands of calls write to as many blocks in turn. Where a block lies is looked up in tables of the system, of which the
//! processor remembers a thousand entries or two: with the usual pages of 4 KB each packet waits for such a look, with large
//! ones for none.

use std::ptr;

/// Large pages that are asked for at a time have so many bytes: what the system calls a huge page.
const LARGE: usize = 2 << 20;

/// A large page that is there and stays, or where the system has none as many bytes of small ones; `None`: there is no
/// memory.
pub fn large_page() -> Option<&'static mut [u8]> {
    // SAFETY: an anonymous mapping at an address of the system's choice touches nothing that exists.
    let mapped = unsafe {
        libc::mmap(
            ptr::null_mut(),
            2 * LARGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    // What lies before the page, and behind it, is never touched, and so never there.
    let page = mapped.cast::<u8>().wrapping_add(mapped.addr().next_multiple_of(LARGE) - mapped.addr());
    // SAFETY: the page lies within the mapping, and these calls change what stands behind it, not what is in it. Where the
    // system refuses, the page is made of small ones, or when it is first written to.
    unsafe {
        libc::madvise(page.cast(), LARGE, libc::MADV_HUGEPAGE);
        libc::madvise(page.cast(), LARGE, libc::MADV_POPULATE_WRITE);
    }
    // SAFETY: zeroed by the system, never given back, and nobody else's.
    Some(unsafe { std::slice::from_raw_parts_mut(page, LARGE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_whole_empty_and_apart() {
        let pages: Vec<&mut [u8]> = (0..3).map(|_| large_page().unwrap()).collect();
        for (nth, page) in pages.into_iter().enumerate() {
            assert_eq!((page.len(), page.as_ptr().addr() % LARGE), (LARGE, 0));
            assert!(page.iter().all(|byte| *byte == 0), "page {nth} has been written to");
            page.fill(0xff);
        }
    }
}
