//! `tenure store verify`: is what is on the disk what its log says?

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use crate::model::SystemClock;
use crate::store::StoreError;
use crate::store::rocks::{RocksDatabase, RocksOptions};

/// Which database to check.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 no difference, 1 differences, 2 the database cannot be read.")]
pub struct VerifyArgs {
    /// Directory of the database; no server may be running on it
    #[arg(long, value_name = "DIR", env = "TENURE_DATA")]
    data: PathBuf,
}

impl VerifyArgs {
    /// Runs the command. Answers whether there is no difference.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let report = on_directory(&self.data, RocksDatabase::verify)?;
        write!(out, "{report}")?;
        Ok(report.is_consistent())
    }
}

/// Does something with the database in a directory on which no server runs.
pub fn on_directory<T>(
    data: &Path,
    work: impl FnOnce(&RocksDatabase) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    // Opening would make a database in whatever directory was misspelt, and find it in order.
    if !RocksDatabase::exists(data) {
        return Err(Failure::Input(format!("there is no database in `{}`", data.display())));
    }
    let outcome =
        RocksDatabase::open(data, Arc::new(SystemClock), &RocksOptions::default()).and_then(|database| {
            let outcome = work(&database)?;
            database.close()?;
            Ok(outcome)
        });
    outcome.map_err(|error| Failure::Input(error.to_string()))
}
