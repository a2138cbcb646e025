//! What an input costs: a peer that announces much and sends little must not make us allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// One byte may become a large struct in a vector that has just doubled.
const PER_BYTE: usize = 1024;
const ALWAYS: usize = 64 * 1024;

#[global_allocator]
static HEAP: Counted = Counted;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Runs `claim` on `input`, and fails if the heap grows out of proportion meanwhile.
pub(crate) fn bounded<T>(input: &[u8], claim: impl FnOnce(&[u8]) -> T) -> T {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = claim(input);
    let grown = PEAK.load(Relaxed).saturating_sub(before);
    assert!(grown <= ALWAYS + PER_BYTE * input.len(), "{grown} bytes of memory for {} of input", input.len());
    result
}

struct Counted;

impl Counted {
    fn add(&self, bytes: usize) {
        PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
    }
}

// SAFETY: everything is done by `System`; counting allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
}
