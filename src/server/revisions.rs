//! Waiting for commits: whoever waits is woken when there is something new in a store, and looks for itself.
//!
//! The writer's part costs one look-up for each store that it changed, and waking those who wait there. It must never
//! wait for one of them. Nothing is kept for them meanwhile: who is slow is woken once for many commits.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::timeout;

use crate::engine::Engine;
use crate::model::{Revision, StoreId};
use crate::store::{CommitObserver, Database};

/// The stores that somebody waits on, and no others.
#[derive(Default)]
pub(super) struct Revisions {
    stores: DashMap<StoreId, Sender<()>>,
}

/// The news of a store from the making of this on.
pub(super) struct News {
    revisions: Arc<Revisions>,
    store: StoreId,
    /// Taken when this is dropped.
    receiver: Option<Receiver<()>>,
}

impl Revisions {
    /// The news of a store, which may be one that does not exist.
    pub(super) fn news(self: &Arc<Self>, store: StoreId) -> News {
        let receiver = self.stores.entry(store).or_default().subscribe();
        News { revisions: Arc::clone(self), store, receiver: Some(receiver) }
    }

    /// Waits until the store has this revision, which costs nothing where it does; but no longer than it exists, nor
    /// longer than `longest`. Whether it has is for the query to say.
    pub(super) async fn reach<D: Database>(
        self: &Arc<Self>,
        engine: &Engine<D>,
        store: StoreId,
        revision: Revision,
        longest: Duration,
    ) {
        let missing = || engine.revision(store).is_ok_and(|newest| newest < revision);
        if !missing() {
            return;
        }
        let mut news = self.news(store);
        let reached = async {
            while missing() {
                news.next().await;
            }
        };
        // Late or not, the query comes next.
        drop(timeout(longest, reached).await);
    }
}

impl CommitObserver for Revisions {
    fn committed(&self, stores: &[StoreId]) {
        for store in stores {
            if let Some(waiting) = self.stores.get(store) {
                waiting.send_replace(());
            }
        }
    }
}

impl News {
    /// Waits until something was committed since the last time that this was done. One call may stand for many commits.
    pub(super) async fn next(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            // The sender is kept for as long as there are receivers.
            drop(receiver.changed().await);
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        // Before the others are counted: of two that go at once, one sees that it is the last.
        self.receiver = None;
        self.revisions.stores.remove_if(&self.store, |_, sender| sender.receiver_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Runtime;
    use tokio::time::timeout;

    use super::*;

    const STORE: StoreId = StoreId::from_bits(7);
    const OTHER: StoreId = StoreId::from_bits(8);

    #[test]
    fn news_come_once_for_many_commits_and_of_the_own_store_only() {
        let revisions = Arc::new(Revisions::default());
        let (mut first, mut second) = (revisions.news(STORE), revisions.news(STORE));
        for _ in 0..3 {
            revisions.committed(&[OTHER, STORE]);
        }
        let mut late = revisions.news(STORE);
        Runtime::new().unwrap().block_on(async {
            first.next().await;
            second.next().await;
            for news in [&mut first, &mut second, &mut late] {
                assert!(timeout(Duration::from_millis(20), news.next()).await.is_err());
            }
            revisions.committed(&[OTHER]);
            assert!(timeout(Duration::from_millis(20), first.next()).await.is_err());
        });
    }

    #[test]
    fn a_store_that_nobody_waits_on_is_not_kept() {
        let revisions = Arc::new(Revisions::default());
        let (first, second) = (revisions.news(STORE), revisions.news(STORE));
        drop(first);
        assert_eq!(revisions.stores.len(), 1);
        drop(second);
        assert!(revisions.stores.is_empty());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| drop(revisions.news(STORE))));
            }
        });
        assert!(revisions.stores.is_empty());
    }
}
