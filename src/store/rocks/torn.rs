//! Torn ends of the write-ahead log that RocksDB cannot read past.
//!
//! RocksDB ends the replay of its log at what is broken: a half record, zeros, a wrong checksum. There is one thing at which it does
//! not end, but never gets on (`log_reader.cc`, as of 11.8): a header of the kind that recycled log files have, behind a
//! record of the other kind. Tenure recycles no log files, so that such a header can only be rubbish, as a crash may leave
//! it behind the last synced record; one byte decides. Before a log is replayed, that byte of such headers is made one that no
//! record has, so that it is what it looks like: a broken record.
//!
//! The format: blocks of 32 KiB; in each, records of checksum (4 bytes), length (2 bytes, little-endian), kind (1 byte) and payload;
//! less than a header at the end of a block is padding.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use tracing::warn;

const BLOCK: usize = 32 * 1024;
const HEADER: usize = 7;
/// Where a header has its kind.
const KIND_AT: usize = 6;
/// Kinds of records in recycled files: whole, first, middle, last; size of timestamps; what is known of the file before.
pub(super) const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];
/// No record has this kind, and RocksDB may not skip it, as it skips kinds that later versions may bring.
const NO_KIND: u8 = 0;

/// Makes the headers in the log files of `directory` harmless that would keep RocksDB from ever getting on.
pub(super) fn disarm(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = std::fs::read(&path)?;
        let places = traps(&log);
        if places.is_empty() {
            continue;
        }
        let file = File::options().write(true).open(&path)?;
        for place in &places {
            file.write_all_at(&[NO_KIND], u64::try_from(place + KIND_AT).unwrap_or(u64::MAX))?;
        }
        file.sync_data()?;
        warn!(log = %path.display(), headers = places.len(), "the log of writes is torn; what is broken is left out");
    }
    Ok(())
}

/// Where such headers begin. In each block RocksDB may get to each header that follows from those before it.
fn traps(log: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    for (number, block) in log.chunks(BLOCK).enumerate() {
        let mut at = 0;
        while let Some(&[_, _, _, _, low, high, kind]) = block.get(at..at + HEADER) {
            if RECYCLED.contains(&kind) {
                found.push(number * BLOCK + at);
            }
            at += HEADER + usize::from(u16::from_le_bytes([low, high]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u16, kind: u8) -> Vec<u8> {
        let [low, high] = length.to_le_bytes();
        vec![1, 2, 3, 4, low, high, kind]
    }

    #[test]
    fn headers_are_found_where_the_ones_before_lead_to() {
        let mut log = header(3, 1);
        log.extend([5; 3]);
        assert_eq!(traps(&log), [] as [usize; 0], "a payload is no header");
        log.extend(header(9, 7));
        assert_eq!(traps(&log), [10]);
        log.extend([0; 9]);
        log.extend(header(0, 2));
        log.resize(BLOCK, 0);
        log.extend(header(0, 131));
        assert_eq!(traps(&log), [10, BLOCK]);
        assert_eq!(traps(&[0; 6]), [] as [usize; 0]);
    }
}
