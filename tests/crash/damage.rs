//! What a crash, or a bad disk, does to the log of writes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::server::verify;
use crate::world::Random;

/// How far from its end the log is broken, in bytes.
const BROKEN_BYTES_MAX: u64 = 3000;

/// What came of breaking what was written.
pub enum Damage {
    /// There was nothing to break.
    None,
    /// The directory is refused.
    Refused,
    /// It is opened.
    Survived(TempDir),
}

/// The newest file of the log of writes, if anything is in it.
pub fn log_of_writes(data: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max().filter(|path| fs::metadata(path).unwrap().len() > 0)
}

/// A copy of the directory.
pub fn copy(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// Adds behind the log what a write leaves that was torn before it was synced, and so was not acknowledged.
pub fn tear_tail(data: &Path, random: &mut Random) {
    let Some(path) = log_of_writes(data) else { return };
    let written = fs::read(&path).unwrap();
    let size = usize::try_from(random.below(5000) + 1).unwrap();
    let torn: Vec<u8> = match random.below(3) {
        0 => (0..size).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
        1 => vec![0; size],
        // The beginning of a record, which says that it is longer; the smallest record has 19 bytes.
        _ => written[..size.min(written.len()).min(12)].to_vec(),
    };
    fs::write(&path, [written, torn].concat()).unwrap();
}

/// Cuts off or changes some of the log's last bytes, in a copy of the directory. It is either refused, with the word to
/// restore a backup, and so again; or consistent.
pub fn break_copy(data: &Path, random: &mut Random) -> Damage {
    let copy = copy(data);
    let Some(path) = log_of_writes(copy.path()) else { return Damage::None };
    let log = File::options().write(true).read(true).open(&path).unwrap();
    let size = log.metadata().unwrap().len();
    let kept = size - 1 - random.below(size.min(BROKEN_BYTES_MAX));
    if random.one_in(2) {
        log.set_len(kept).unwrap();
    } else {
        let mut byte = [0];
        log.read_exact_at(&mut byte, kept).unwrap();
        byte[0] ^= 1 << random.below(8);
        log.write_all_at(&byte, kept).unwrap();
    }
    let Err(refusal) = verify(copy.path()) else { return Damage::Survived(copy) };
    assert!(refusal.contains("is damaged; restore a backup"), "{refusal}");
    assert_eq!(verify(copy.path()), Err(refusal), "it is refused as long as nobody mends it");
    Damage::Refused
}
