//! Owns the descriptor that wakes a thread which waits in epoll.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A counter in the kernel: readable once somebody rang.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    pub fn new() -> io::Result<Bell> {
        // SAFETY: a plain system call; the descriptor it returns is ours alone.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made and nobody else holds it.
        Ok(Bell(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes the waiter. A full counter means that it is awake already.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight readable bytes, an open descriptor.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable again.
    pub fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight writable bytes, an open descriptor.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: a plain system call; the descriptor it returns is ours alone.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let ready = vec![libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: `fd` was just made and nobody else holds it.
        Ok(Epoll { fd: unsafe { OwnedFd::from_raw_fd(fd) }, ready })
    }

    /// Reports `token` while `fd` is readable.
    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: both descriptors are open and `event` outlives the call.
        let done = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until something is readable or `millis` passed (-1: for ever), and gives the readable tokens.
    pub fn wait(&mut self, millis: i32) -> impl Iterator<Item = u64> + '_ {
        let room = i32::try_from(self.ready.len()).unwrap_or(i32::MAX);
        // SAFETY: `ready` has `room` elements that the kernel may write.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.ready.as_mut_ptr(), room, millis) };
        // An interrupted wait reports nothing and is repeated by the loop.
        let count = usize::try_from(count).unwrap_or(0);
        self.ready[..count].iter().map(|event| event.u64)
    }
}
