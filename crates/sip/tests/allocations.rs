//! Owns the bound on what parsing allocates: at most two for a message of any kind, whatever its size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::BytesMut;
use sip::Message;

struct Counting;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: all work is the system allocator's; counting touches a thread-local cell that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations made by parsing `text` from a receive buffer.
fn allocations(text: &str) -> u32 {
    let mut buffer = BytesMut::with_capacity(2048);
    buffer.extend_from_slice(text.as_bytes());
    let datagram = buffer.freeze();
    let before = COUNT.with(Cell::get);
    let message = Message::parse_datagram(datagram);
    let after = COUNT.with(Cell::get);
    assert!(message.is_ok());
    after - before
}

#[test]
fn an_invite_and_its_answer_are_parsed_with_two_allocations_at_most() {
    let fields = "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
        From: \"Alice\" <sip:alice@example.com>;tag=1\r\nTo: <sip:4008001234@example.com>\r\nCall-ID: 1@192.0.2.10\r\n\
        CSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.10>\r\n";
    let many = "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(12);
    let invite = format!("INVITE sip:4008001234@example.com SIP/2.0\r\n{fields}{many}l: 5\r\n\r\nv=0\r\n");
    assert!(allocations(&invite) <= 2, "{} allocations", allocations(&invite));
    let ok = format!("SIP/2.0 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    assert!(allocations(&ok) <= 2, "{} allocations", allocations(&ok));
}
