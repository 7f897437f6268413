//! What both lists have in common: who they are for, how they end, and what they may keep.

use std::ops::ControlFlow;

use super::LimitReached;

/// Who a list is for.
pub trait Recipient<T: ?Sized> {
    /// Takes a result; to break ends the list.
    fn take(&mut self, result: &T) -> ControlFlow<()>;

    /// Asked between any two steps whose costs are bounded; to break ends the list. A list may search long without a
    /// result.
    fn go_on(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// How a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListEnd {
    /// Everything was told.
    Whole,
    /// The recipient ended it.
    Ended,
    /// A limit kept something out, or may have. What was told holds nevertheless.
    Limited(LimitReached),
}

/// Has the recipient asked now and then whether to go on, while a scan goes over its entries: those that count for
/// nothing too, since there may be any number of them.
#[derive(Default)]
pub(super) struct Pace {
    entries: u32,
}

/// Entries of scans after which the recipient is asked again.
const ENTRIES_BETWEEN: u32 = 1024;

impl Pace {
    /// Counts an entry.
    pub(super) fn entry<T: ?Sized>(&mut self, recipient: &mut dyn Recipient<T>) -> ControlFlow<()> {
        self.entries = self.entries.wrapping_add(1);
        if self.entries.is_multiple_of(ENTRIES_BETWEEN) {
            return recipient.go_on();
        }
        ControlFlow::Continue(())
    }
}

/// A bound on the memory of what a list has met.
pub(super) struct Kept {
    bytes: usize,
    bytes_max: usize,
}

/// Roughly what is kept for each thing met, beside its identifier, in bytes.
const ENTRY_BYTES: usize = 80;

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max }
    }

    /// Counts something more, with an identifier of so many bytes. Breaks, and says why, where that is too much.
    pub(super) fn keep(&mut self, id_bytes: usize, left_out: &mut Option<LimitReached>) -> ControlFlow<()> {
        self.bytes = self.bytes.saturating_add(id_bytes).saturating_add(ENTRY_BYTES);
        if self.bytes <= self.bytes_max {
            return ControlFlow::Continue(());
        }
        *left_out = Some(LimitReached::Kept { bytes: self.bytes_max });
        ControlFlow::Break(())
    }
}
