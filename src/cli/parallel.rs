//! Work on a stream of items by a few threads, with few items in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Hands every item to `work` on one of `workers` threads. Few items wait at a time. An item that is an error is the last;
/// those before it are worked on. The first error of the work ends it: what was begun is done, nothing further is begun.
/// The first error is answered.
pub fn each<T: Send, E: Send>(
    items: impl Iterator<Item = Result<T, E>>,
    workers: usize,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (sender, receiver) = sync_channel(workers);
    let receiver = Mutex::new(receiver);
    let (failed, first) = (AtomicBool::new(false), Mutex::new(None));
    let fail = |error| {
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                while let Some(item) = next(&receiver) {
                    // What waits yet is taken and left, so that nobody hangs on a full channel.
                    if !failed.load(Ordering::Relaxed)
                        && let Err(error) = work(item)
                    {
                        failed.store(true, Ordering::Relaxed);
                        fail(error);
                    }
                }
            });
        }
        feed(items, sender, &failed, &fail);
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn next<T>(receiver: &Mutex<Receiver<T>>) -> Option<T> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn feed<T, E>(
    items: impl Iterator<Item = Result<T, E>>,
    sender: SyncSender<T>,
    failed: &AtomicBool,
    fail: &impl Fn(E),
) {
    for item in items {
        match item {
            Err(error) => return fail(error),
            Ok(item) if !failed.load(Ordering::Relaxed) => {
                // The receiver outlives this.
                let _ = sender.send(item);
            }
            Ok(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let sum = AtomicU64::new(0);
        let work = |item: u64| {
            sum.fetch_add(item, Ordering::Relaxed);
            Ok::<(), String>(())
        };
        each((1..=1_000).map(Ok), 4, work).unwrap();
        assert_eq!(sum.into_inner(), 500_500);
    }

    #[test]
    fn the_first_error_ends_it() {
        let taken = AtomicU64::new(0);
        let items = (0..u64::MAX).map(Ok).inspect(|_| {
            taken.fetch_add(1, Ordering::Relaxed);
        });
        let work = |item| if item == 10 { Err("ten") } else { Ok(()) };
        assert_eq!(each(items, 2, work), Err("ten"));
        assert!(taken.into_inner() < 100);
        let items = (0..5).map(|item| if item == 3 { Err("three") } else { Ok(item) });
        let done = AtomicU64::new(0);
        let work = |_| {
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        assert_eq!((each(items, 2, work), done.into_inner()), (Err("three"), 3));
    }
}
