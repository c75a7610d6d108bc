//! Owns what comes at a socket of audio: the head of each packet, and when the system got it. Does not own the socket (see
//! `post`), nor what a packet says (see `voice`).
//!
//! The system notes when a datagram came, so that a load that reads all of a millisecond together, or late, measures what
//! the switch takes and not itself.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use clock::{Instant, WallAnchor, WallTime};

use super::post;

/// Room for what one system call brings.
pub(super) struct Arrivals {
    heads: Box<[[u8; HEAD]; TOGETHER]>,
    notes: Box<[Note; TOGETHER]>,
}

/// The system's note of when a datagram came, as `recvmsg` aligns it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Note([u8; NOTE]);

impl Arrivals {
    /// Lets the system note when datagrams come at `socket`.
    ///
    /// # Errors
    /// When it cannot.
    pub fn at(socket: &impl AsRawFd) -> io::Result<Arrivals> {
        post::set(socket, (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS), 1)?;
        Ok(Arrivals { heads: Box::new([[0; HEAD]; TOGETHER]), notes: Box::new([Note([0; NOTE]); TOGETHER]) })
    }

    /// Gives `each` everything that has come at `socket`: when, by the clock whose two readings `now` are, and its first
    /// [`HEAD`] bytes.
    pub fn take(
        &mut self,
        socket: &impl AsRawFd,
        now: (Instant, WallTime),
        mut each: impl FnMut(Instant, &[u8]),
    ) {
        while self.take_some(socket.as_raw_fd(), now, &mut each) == TOGETHER {}
    }

    fn take_some(
        &mut self,
        socket: RawFd,
        (now, wall): (Instant, WallTime),
        each: &mut impl FnMut(Instant, &[u8]),
    ) -> usize {
        // SAFETY: headers and parts of zeros are valid; every pointer set below points into `self` or `parts`, which
        // outlive the call, with the lengths that are named.
        let mut headers: [libc::mmsghdr; TOGETHER] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut parts: [libc::iovec; TOGETHER] = unsafe { std::mem::zeroed() };
        let places = parts.iter_mut().zip(self.heads.iter_mut().zip(self.notes.iter_mut()));
        for (header, (part, (head, note))) in headers.iter_mut().zip(places) {
            *part = libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: HEAD };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = note.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = NOTE as _;
        }
        // SAFETY: as above; the socket is open.
        let count = unsafe {
            let (headers, together) = (headers.as_mut_ptr(), TOGETHER as libc::c_uint);
            libc::recvmmsg(socket, headers, together, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let count = usize::try_from(count).unwrap_or(0);
        let anchor = WallAnchor::new(now, wall);
        for (header, head) in headers[..count].iter().zip(self.heads.iter()) {
            let came = came(&header.msg_hdr).map_or(now, |came| anchor.instant(came));
            each(came, &head[..(header.msg_len as usize).min(HEAD)]);
        }
        count
    }
}

/// When the datagram of `header` came, by the system's note.
fn came(header: &libc::msghdr) -> Option<WallTime> {
    // SAFETY: the kernel wrote `header` and what it points to, which is still there; the macros keep to its length, and a
    // note of this type holds a timespec.
    let came: libc::timespec = unsafe {
        let note = libc::CMSG_FIRSTHDR(header);
        if note.is_null()
            || (*note).cmsg_level != libc::SOL_SOCKET
            || (*note).cmsg_type != libc::SCM_TIMESTAMPNS
        {
            return None;
        }
        std::ptr::read_unaligned(libc::CMSG_DATA(note).cast())
    };
    Some(WallTime(came.tv_sec * 1_000_000 + came.tv_nsec / 1_000))
}

/// So much of a packet is read: its header and stamp.
pub(super) const HEAD: usize = 40;
/// Datagrams for one system call.
const TOGETHER: usize = 64;
/// A note and its header.
const NOTE: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use clock::SystemClock;

    use super::*;

    #[test]
    fn a_packet_that_is_read_late_came_when_it_came() {
        let clock = SystemClock::start();
        let [ours, theirs] = [1, 2].map(|host| UdpSocket::bind((format!("127.78.0.{host}"), 0)).unwrap());
        let mut arrivals = Arrivals::at(&ours).unwrap();
        let before = clock.now();
        for byte in 0..100 {
            theirs.send_to(&[byte; 172], ours.local_addr().unwrap()).unwrap();
        }
        let sent = clock.now();
        // It is read a second later by the clock that it is asked with.
        let now = (clock.now() + Duration::from_secs(1), clock.wall() + Duration::from_secs(1));
        let mut bytes = Vec::new();
        arrivals.take(&ours, now, |came, head| {
            // Two clocks are read one after the other.
            assert!(before <= came + APART && came <= sent + APART, "{before:?} {came:?} {sent:?}");
            assert_eq!((head.len(), head[0]), (HEAD, head[HEAD - 1]));
            bytes.push(head[0]);
        });
        assert_eq!(bytes, (0..100).collect::<Vec<u8>>());
        arrivals.take(&ours, now, |_, _| panic!("all is read"));
    }

    const APART: Duration = Duration::from_millis(1);
}
