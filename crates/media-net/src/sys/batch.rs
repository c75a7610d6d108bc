//! Owns the reading of several datagrams of one socket together, with the times at which they came. Does not own what is
//! done with them (see [`crate::worker`]).

use std::io;
use std::mem::{size_of, size_of_val};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use clock::WallTime;

use super::{DATAGRAM, address_of, checked};

/// Datagrams that one call of the system takes: those of four frames, and what comes early or late.
const MOST: usize = 6;

/// Room for the one control message that is asked for: its header and three times, in words of 8 bytes.
const CONTROL: usize = 8;

/// Datagrams of one socket, and the room for them.
#[derive(Debug)]
pub struct Batch(Box<[Letter; MOST]>);

/// One datagram of a batch.
#[derive(Debug)]
pub struct Letter {
    bytes: [u8; DATAGRAM],
    source: libc::sockaddr_storage,
    control: [u64; CONTROL],
    /// Bytes that came; 0 for one that was too long.
    length: usize,
    came: Option<WallTime>,
}

impl Batch {
    /// Room for a batch.
    pub fn new() -> Batch {
        Batch(Box::new(std::array::from_fn(|_| Letter::empty())))
    }

    /// Takes datagrams out of `socket`; fewer than there is room for when no more are there.
    pub fn receive(&mut self, socket: &OwnedFd) -> &mut [Letter] {
        let mut parts = self.0.each_mut().map(|letter| libc::iovec {
            iov_base: letter.bytes.as_mut_ptr().cast(),
            iov_len: letter.bytes.len(),
        });
        let mut headers: [libc::mmsghdr; MOST] = std::array::from_fn(|_| {
            // SAFETY: zeros are a valid header.
            unsafe { std::mem::zeroed() }
        });
        for ((letter, part), header) in self.0.iter_mut().zip(&mut parts).zip(&mut headers) {
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut letter.source).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = letter.control.as_mut_ptr().cast();
            header.msg_controllen = size_of_val(&letter.control);
        }
        let nothing = std::ptr::null_mut::<libc::timespec>();
        // SAFETY: as many headers as are named, and all they point to outlives the call; nobody waits.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_recvmmsg,
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                MOST,
                libc::MSG_DONTWAIT,
                nothing,
            )
        };
        // An error of an earlier datagram is gone with this call; what came is taken by the next.
        let taken = usize::try_from(taken).unwrap_or(0);
        for (letter, header) in self.0.iter_mut().zip(&headers).take(taken) {
            let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            letter.length = if whole { header.msg_len as usize } else { 0 };
            letter.came = time_of(&header.msg_hdr);
        }
        &mut self.0[..taken]
    }

    /// Whether a batch of so many datagrams may have left some.
    pub fn is_full(taken: usize) -> bool {
        taken == MOST
    }
}

impl Letter {
    fn empty() -> Letter {
        Letter {
            bytes: [0; DATAGRAM],
            // SAFETY: zeros are an address of no family.
            source: unsafe { std::mem::zeroed() },
            control: [0; CONTROL],
            length: 0,
            came: None,
        }
    }

    /// The datagram, whence it came, and when, if the socket is [`stamp`]ed; `None` for one that was too long.
    pub fn open(&mut self) -> Option<(&mut [u8], SocketAddr, Option<WallTime>)> {
        let source = address_of(&self.source)?;
        if self.length == 0 {
            return None;
        }
        Some((&mut self.bytes[..self.length], source, self.came))
    }
}

/// When the kernel took a datagram, by its control message.
fn time_of(header: &libc::msghdr) -> Option<WallTime> {
    // SAFETY: the kernel wrote the control messages of this header and their length.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if (control.cmsg_level, control.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) {
        return None;
    }
    // SAFETY: a message of this kind begins with the time by the kernel's clock, and its bytes may lie anywhere.
    let time: libc::timespec = unsafe { libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned() };
    (time.tv_sec > 0).then(|| WallTime(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000))
}

/// From now on the kernel notes when each datagram comes to `socket`.
///
/// # Errors
/// When the system refuses.
pub fn stamp(socket: &OwnedFd) -> io::Result<()> {
    note_times(socket, libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE)
}

/// It does so no more.
///
/// # Errors
/// When the system refuses.
pub fn unstamp(socket: &OwnedFd) -> io::Result<()> {
    note_times(socket, 0)
}

fn note_times(socket: &OwnedFd, what: libc::c_uint) -> io::Result<()> {
    // SAFETY: `what` lives through the call and has the length that is named.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            (&raw const what).cast(),
            size_of::<libc::c_uint>() as libc::socklen_t,
        )
    };
    checked(result).map(|_| ())
}
