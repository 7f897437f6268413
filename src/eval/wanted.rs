//! Whether anybody waits for an evaluation, which is asked while it goes on.
//!
//! An evaluation keeps a snapshot, and a thread. Its reads are bounded, but what a read takes is the disk's to say; so one
//! that nobody waits for any more must not go on until its reads are used up.

use std::fmt;
use std::sync::Arc;

use super::EvalError;
use crate::model::limits::READS_FOR_NOBODY_MAX;

type Asked = dyn Fn() -> bool + Send + Sync;

/// Whether anybody waits for an answer; where nobody is asked, somebody always does.
#[derive(Clone, Default)]
pub struct Wanted(Option<Arc<Asked>>);

impl Wanted {
    /// For as long as `asked` says so. It is asked often and must be quick; once it says no, there is no answer.
    pub fn as_long_as(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(asked)))
    }

    /// Whether anybody waits.
    pub fn is(&self) -> bool {
        self.0.as_ref().is_none_or(|asked| asked())
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wanted").field(&self.0.is_some()).finish()
    }
}

/// Asks now and then while an evaluation reads.
pub(super) struct Patience {
    wanted: Wanted,
    /// Reads until it is asked again.
    left: u32,
}

impl Patience {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, left: READS_FOR_NOBODY_MAX }
    }

    /// To be called with each read.
    pub(super) fn read(&mut self) -> Result<(), EvalError> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Ok(());
        }
        self.left = READS_FOR_NOBODY_MAX;
        if self.wanted.is() { Ok(()) } else { Err(EvalError::Unwanted) }
    }
}
