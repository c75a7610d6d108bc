//! Owns one UDP socket of a load: datagrams gathered and sent by one system call, received likewise.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// A socket with what is about to be sent.
pub(super) struct Post {
    socket: UdpSocket,
    local: SocketAddr,
    /// What is about to be sent, one after the other.
    bytes: Vec<u8>,
    letters: Vec<Letter>,
    buffers: Vec<u8>,
    /// Datagrams that the system did not take.
    pub unsent: u64,
}

struct Letter {
    to: SockAddr,
    end: usize,
}

impl Post {
    /// Binds `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// In words, when it is taken or not ours.
    pub fn bind(address: SocketAddr) -> anyhow::Result<Post> {
        let open = || -> io::Result<UdpSocket> {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            widen(&socket);
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            Ok(socket.into())
        };
        let socket = open().with_context(|| format!("UDP {address} 打不开 / cannot be opened"))?;
        let local = socket.local_addr()?;
        Ok(Post {
            socket,
            local,
            bytes: Vec::new(),
            letters: Vec::new(),
            buffers: vec![0; BATCH * LONGEST],
            unsent: 0,
        })
    }

    /// Sends nothing in fragments from now on. Over IPv4 the system draws a number for every datagram that it may cut, to
    /// put its fragments together by: a fiftieth of what sending costs.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn send_whole(&self) -> io::Result<()> {
        match self.local {
            SocketAddr::V4(_) => set(self, (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER), libc::IP_PMTUDISC_DO),
            SocketAddr::V6(_) => Ok(()),
        }
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends what `write` writes, with the next [`Post::flush`].
    pub fn send(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.letters.push(Letter { to: to.into(), end: self.bytes.len() });
        if self.letters.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands everything to the system.
    pub fn flush(&mut self) {
        let mut start = 0;
        for batch in self.letters.chunks(BATCH) {
            // SAFETY: headers of zeros are valid; every pointer set below points into `self` or `parts`, which
            // outlive the call, with the lengths that are named. The kernel only reads what they point to.
            let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
            // SAFETY: as above.
            let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
            for (letter, (header, part)) in batch.iter().zip(headers.iter_mut().zip(&mut parts)) {
                part.iov_base = self.bytes[start..].as_ptr().cast_mut().cast();
                part.iov_len = letter.end - start;
                start = letter.end;
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_name = letter.to.as_ptr().cast_mut().cast();
                header.msg_hdr.msg_namelen = letter.to.len();
            }
            self.unsent += send_all(self.socket.as_raw_fd(), &mut headers[..batch.len()]);
        }
        self.letters.clear();
        self.bytes.clear();
    }

    /// Gives `each` everything that has come.
    pub fn receive(&mut self, mut each: impl FnMut(&mut Post, SocketAddr, &[u8])) {
        let mut buffers = std::mem::take(&mut self.buffers);
        loop {
            let mut from: [SockAddrStorage; BATCH] = std::array::from_fn(|_| SockAddrStorage::zeroed());
            let (lengths, count) = receive_batch(self.socket.as_raw_fd(), &mut buffers, &mut from);
            for ((length, name), (buffer, source)) in
                lengths[..count].iter().zip(buffers.chunks(LONGEST).zip(from))
            {
                // SAFETY: the kernel wrote an address of the length that it named.
                let source = unsafe { SockAddr::new(source, *name) }.as_socket();
                if let Some(source) = source {
                    each(self, source, &buffer[..(*length).min(LONGEST)]);
                }
            }
            if count < BATCH {
                break;
            }
        }
        self.buffers = buffers;
    }
}

impl AsRawFd for Post {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// Sends; how many the system did not take.
fn send_all(socket: i32, headers: &mut [libc::mmsghdr]) -> u64 {
    let (mut at, mut unsent) = (0, 0);
    while at < headers.len() {
        let rest = &mut headers[at..];
        // SAFETY: the caller filled the headers.
        let sent = unsafe { libc::sendmmsg(socket, rest.as_mut_ptr(), rest.len() as libc::c_uint, 0) };
        match usize::try_from(sent) {
            Ok(sent) if sent > 0 => at += sent,
            // The first of the rest is refused (a full buffer, or an error of an earlier one): it is lost.
            _ => {
                at += 1;
                unsent += 1;
            }
        }
    }
    unsent
}

/// Lengths of datagrams and of their sources' addresses, and how many there are.
fn receive_batch(
    socket: i32,
    buffers: &mut [u8],
    from: &mut [SockAddrStorage; BATCH],
) -> ([(usize, libc::socklen_t); BATCH], usize) {
    // SAFETY: headers of zeros are valid; every pointer set below points into `buffers`, `from` or `parts`, which
    // outlive the call, with the lengths that are named.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    for (place, header) in headers.iter_mut().enumerate() {
        parts[place].iov_base = buffers[place * LONGEST..].as_mut_ptr().cast();
        parts[place].iov_len = LONGEST;
        header.msg_hdr.msg_iov = &mut parts[place];
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = (&raw mut from[place]).cast();
        header.msg_hdr.msg_namelen = from[place].size_of();
    }
    // SAFETY: as above; the socket is open.
    let count = unsafe {
        libc::recvmmsg(
            socket,
            headers.as_mut_ptr(),
            BATCH as libc::c_uint,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    let lengths = std::array::from_fn(|place| {
        let header = &headers[place];
        (header.msg_len as usize, header.msg_hdr.msg_namelen)
    });
    (lengths, usize::try_from(count).unwrap_or(0))
}

/// Waits until one of `posts` has something to read, at most `wait`.
pub(super) fn wait(posts: &[&Post], wait: Duration) {
    let poll = |post: &&Post| libc::pollfd { fd: post.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = posts.iter().map(poll).collect();
    let wait = libc::timespec {
        tv_sec: wait.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(wait.subsec_nanos()),
    };
    // SAFETY: as many elements as are named, and a timespec that outlives the call. An interrupted wait is repeated
    // by the caller's loop.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &wait, std::ptr::null()) };
}

/// Room for what comes while something else is done: as much as the system grants, root without its cap.
fn widen(socket: &Socket) {
    const WANTED: libc::c_int = 16 << 20;
    for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        let set = |option| set(socket, (libc::SOL_SOCKET, option), WANTED);
        // With less room than this the figures tell of the loss.
        let _granted = set(forced).or_else(|_| set(plain));
    }
}

/// Sets an option of a socket.
///
/// # Errors
/// When the system does not take it.
pub(super) fn set(
    socket: &impl AsRawFd,
    (level, option): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: an open socket and a readable integer of the size that is named.
    let done = unsafe {
        let (value, length) = ((&raw const value).cast(), size_of_val(&value) as libc::socklen_t);
        libc::setsockopt(socket.as_raw_fd(), level, option, value, length)
    };
    checked(done)
}

/// What a system call that returns 0 or −1 came to.
pub(super) fn checked(done: libc::c_int) -> io::Result<()> {
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams for one system call.
const BATCH: usize = 64;
/// The longest datagram that is read whole.
const LONGEST: usize = 8_192;
