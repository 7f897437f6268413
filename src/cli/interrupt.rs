//! Ctrl-C ends what takes long in order: what was done or measured is said, and what was made only for it is deleted. The
//! second time, it ends the process.

use std::io;
use std::process;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;

/// Exit code of a process that SIGINT has ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Whether it is to end, and a way to wait for that.
#[derive(Debug, Clone)]
pub struct Interrupt {
    seen: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens for Ctrl-C from now on.
    pub fn listen() -> Result<Self, Failure> {
        Self::start().map_err(|error| Failure::Input(format!("cannot listen for Ctrl-C: {error}")))
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            signal(SignalKind::interrupt())?
        };
        let (sender, seen) = watch::channel(false);
        thread::spawn(move || {
            runtime.block_on(async {
                signals.recv().await;
                sender.send_replace(true);
                signals.recv().await;
                process::exit(INTERRUPTED);
            });
        });
        Ok(Self { seen })
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        *self.seen.borrow()
    }

    /// Waits until it comes.
    pub async fn comes(&mut self) {
        // Nobody is left to say so: it never comes.
        if self.seen.wait_for(|seen| *seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
