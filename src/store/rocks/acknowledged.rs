//! The note of what was acknowledged, so that the loss of it does not go unnoticed.
//!
//! RocksDB ends the replay of its write-ahead log at the first record that is broken. It cannot know whether that
//! record was torn by a crash, unacknowledged, or was synced and acknowledged and broke later. This note can: behind
//! each synced write, and before anybody is answered, the writer puts the write's sequence number here. A database that
//! comes back with a smaller one has lost what was acknowledged, and must never be opened as if nothing were.
//!
//! What readers are shown after a failed write, though nobody acknowledged it, is noted in the same way (see `mend`).
//!
//! The note itself is synced once a second at the most, since what the process wrote outlasts the process. Only where the
//! power fails *and* the disk has lost what it had reported as written, it may be behind by that much. It is never ahead.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant as Stopwatch};

/// The note's file.
pub(super) const NOTE_FILE: &str = "tenure.acknowledged";
/// How often the note is synced at the most.
const SYNCED_EVERY: Duration = Duration::from_secs(1);
/// The number, and its complement, by which a torn note is told.
const NOTE_BYTES: usize = 16;

/// What the note in `directory` says, without making one; `None` where there is none, or a torn one.
pub(super) fn noted(directory: &Path) -> io::Result<Option<u64>> {
    match fs::read(directory.join(NOTE_FILE)) {
        Ok(bytes) => Ok(bytes.try_into().ok().and_then(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a log of writes that ends at `found` lacks of what was `noted`, if it lacks anything.
pub(super) fn missing(found: u64, noted: u64) -> Option<String> {
    (found < noted).then(|| {
        format!(
            "commits that were acknowledged or shown are missing: its log of writes ends at {found}, and had been read \
             up to {noted}"
        )
    })
}

/// The note of one data directory; for the writer alone.
pub(super) struct Note {
    file: File,
    noted: u64,
    synced: u64,
    synced_at: Stopwatch,
}

impl Note {
    /// Opens the note in `directory`, or makes one that says nothing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NOTE_FILE);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut bytes = [0; NOTE_BYTES];
        let noted = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => read(bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // Its room on the disk is taken now, so that a full one does not keep commits from being noted.
                file.write_all_at(&encode(0), 0)?;
                file.sync_all()?;
                0
            }
            Err(error) => return Err(error),
        };
        Ok(Self { file, noted, synced: noted, synced_at: Stopwatch::now() })
    }

    /// The sequence number of the last write that is known to have been acknowledged or shown; 0 if none is.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    /// Notes that everything up to the sequence number `reached` is, or will be, known to somebody.
    pub(super) fn put(&mut self, reached: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(reached), 0)?;
        self.noted = reached;
        self.sync_in_time()
    }

    /// Syncs what was noted, where that was not done for a while.
    pub(super) fn sync_in_time(&mut self) -> io::Result<()> {
        if self.synced == self.noted || self.synced_at.elapsed() < SYNCED_EVERY {
            return Ok(());
        }
        self.sync()
    }

    /// Syncs what was noted.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced = self.noted;
        self.synced_at = Stopwatch::now();
        Ok(())
    }
}

/// A note that says this.
fn encode(number: u64) -> [u8; NOTE_BYTES] {
    let mut bytes = [0; NOTE_BYTES];
    let (first, second) = bytes.split_at_mut(NOTE_BYTES / 2);
    first.copy_from_slice(&number.to_be_bytes());
    second.copy_from_slice(&(!number).to_be_bytes());
    bytes
}

/// What a note says; `None` if it is none, or half of two.
fn read(bytes: [u8; NOTE_BYTES]) -> Option<u64> {
    let number = u64::from_be_bytes(*bytes.first_chunk()?);
    let complement = u64::from_be_bytes(*bytes.last_chunk()?);
    (number == !complement).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_back_and_a_torn_note_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut note = Note::open(directory.path()).unwrap();
        assert_eq!(note.noted(), 0);
        for number in [1, u64::MAX, 0x0102_0304_0506_0708] {
            note.put(number).unwrap();
            assert_eq!(Note::open(directory.path()).unwrap().noted(), number);
            assert_eq!(noted(directory.path()).unwrap(), Some(number));
        }
        let path = directory.path().join(NOTE_FILE);
        let whole = fs::read(&path).unwrap();
        for torn in [&whole[..15], &[&whole[..8], &[0; 8][..]].concat(), &[0; 16][..], b""] {
            fs::write(&path, torn).unwrap();
            assert_eq!(noted(directory.path()).unwrap(), None, "{torn:?}");
            assert_eq!(Note::open(directory.path()).unwrap().noted(), 0, "{torn:?}");
        }
    }

    #[test]
    fn a_note_that_is_only_read_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(noted(directory.path()).unwrap(), None);
        assert!(!directory.path().join(NOTE_FILE).exists());
        drop(Note::open(directory.path()).unwrap());
        assert_eq!(noted(directory.path()).unwrap(), Some(0), "it is new, and says that nothing was");
    }
}
