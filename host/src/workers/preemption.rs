//! Tells the system which threads must not wait for others.
//!
//! Short and long work run on threads of equal right, as taking a lower priority
//! back needs a privilege. But Linux lets any thread say how long the slices are
//! that it wants, since 6.12: one with short slices that wakes up takes the place
//! of one with long ones at once. Elsewhere nothing of this happens, and short work
//! waits for a slice of the system now and then.

/// Of a thread that does short work.
const SHORT_NS: u64 = 300_000;
/// The system's own.
const USUAL_NS: u64 = 0;

/// A thread of this process, as the system numbers it; 0 is the one that asks.
pub(super) type Thread = libc::pid_t;

#[cfg(target_os = "linux")]
pub(super) fn this_thread() -> Thread {
    rustix::thread::gettid().as_raw_pid()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn this_thread() -> Thread {
    0
}

/// This thread does short work from now on.
pub(super) fn short() {
    short_of(0);
}

/// This thread computes for long from now on.
pub(super) fn long() {
    long_of(0);
}

pub(super) fn short_of(thread: Thread) {
    want_slices(thread, SHORT_NS);
}

pub(super) fn long_of(thread: Thread) {
    want_slices(thread, USUAL_NS);
}

#[cfg(target_os = "linux")]
fn want_slices(thread: Thread, slice_ns: u64) {
    // SAFETY: the structure is one of plain numbers, for which zeros are valid; the
    // call reads it and concerns one thread alone. Its failure changes nothing.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_policy = libc::SCHED_OTHER as u32;
        attributes.sched_nice = libc::getpriority(libc::PRIO_PROCESS, thread as libc::id_t);
        attributes.sched_runtime = slice_ns;
        libc::syscall(libc::SYS_sched_setattr, thread, &raw const attributes, 0);
    }
}

#[cfg(not(target_os = "linux"))]
fn want_slices(_: Thread, _: u64) {}
