//! Waiting for commits: whoever waits is woken when there is something new in a store, and looks for itself.
//!
//! The writer's part is one look-up for each store that it changed, and waking one of those who wait there, which wakes
//! the others: it must cost the same for one as for thousands, and must never wait for any. Nothing is kept for them
//! meanwhile: who is slow is woken once for many commits.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::watch::{Receiver, Sender};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use crate::engine::Engine;
use crate::model::limits::REVISION_WAITS_MAX;
use crate::model::{Revision, StoreId};
use crate::store::{CommitObserver, Database};

/// The stores that somebody waits on, and no others.
pub(super) struct Revisions {
    stores: DashMap<StoreId, Arc<Waiting>>,
    /// For those who wait for one revision, and hold a place of a request meanwhile.
    waits: Semaphore,
}

impl Default for Revisions {
    fn default() -> Self {
        Self { stores: DashMap::default(), waits: Semaphore::new(REVISION_WAITS_MAX) }
    }
}

/// Those who wait on one store.
#[derive(Default)]
struct Waiting {
    /// Told by the writer, to one of them. If that one goes before it can act, another one is told.
    first: Notify,
    /// Told by that one, to all of them.
    all: Sender<()>,
}

/// The news of a store from the making of this on.
pub(super) struct News {
    revisions: Arc<Revisions>,
    store: StoreId,
    waiting: Arc<Waiting>,
    /// Taken when this is dropped.
    receiver: Option<Receiver<()>>,
}

impl Revisions {
    /// The news of a store, which may be one that does not exist.
    pub(super) fn news(self: &Arc<Self>, store: StoreId) -> News {
        // The entry is kept in its place meanwhile.
        let entry = self.stores.entry(store).or_default();
        let (waiting, receiver) = (Arc::clone(&entry), entry.all.subscribe());
        News { revisions: Arc::clone(self), store, waiting, receiver: Some(receiver) }
    }

    /// Waits until the store has this revision, which costs nothing where it does; but no longer than it exists, nor
    /// longer than `longest`, nor where too many wait already. Whether it has is for the query to say.
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
        let Ok(_wait) = self.waits.try_acquire() else { return };
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
                waiting.first.notify_one();
            }
        }
    }
}

impl News {
    /// Waits until something was committed since the last time that this was done. One call may stand for many commits,
    /// and now and then for one that was seen already.
    pub(super) async fn next(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        tokio::select! {
            () = self.waiting.first.notified() => {
                self.waiting.all.send_replace(());
                receiver.mark_unchanged();
            }
            // The sender is kept for as long as there are receivers.
            changed = receiver.changed() => drop(changed),
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        // Before the others are counted: of two that go at once, one sees that it is the last.
        self.receiver = None;
        self.revisions.stores.remove_if(&self.store, |_, waiting| waiting.all.receiver_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use tokio::runtime::Runtime;

    use super::super::still;
    use super::*;

    const STORE: StoreId = StoreId::from_bits(7);
    const OTHER: StoreId = StoreId::from_bits(8);

    /// Begins to wait; whether it has to.
    async fn waits(mut news: Pin<&mut impl Future<Output = ()>>) -> bool {
        poll_fn(|context| Poll::Ready(news.as_mut().poll(context).is_pending())).await
    }

    /// Nothing comes for a while.
    async fn is_silent(news: &mut News) -> bool {
        timeout(Duration::from_millis(20), news.next()).await.is_err()
    }

    #[test]
    fn news_come_once_for_many_commits_to_everyone_and_of_the_own_store_only() {
        let revisions = Arc::new(Revisions::default());
        let (mut first, mut second) = (revisions.news(STORE), revisions.news(STORE));
        Runtime::new().unwrap().block_on(async {
            for _ in 0..3 {
                revisions.committed(&[OTHER, STORE]);
            }
            first.next().await;
            second.next().await;
            let mut late = revisions.news(STORE);
            for news in [&mut first, &mut second, &mut late] {
                assert!(is_silent(news).await);
            }
            revisions.committed(&[OTHER]);
            assert!(is_silent(&mut first).await);
        });
    }

    #[test]
    fn news_reach_the_others_though_the_one_who_was_told_goes() {
        let revisions = Arc::new(Revisions::default());
        let (mut first, mut second) = (revisions.news(STORE), revisions.news(STORE));
        Runtime::new().unwrap().block_on(async {
            {
                let mut told = pin!(first.next());
                assert!(waits(told.as_mut()).await);
                let mut waiting = pin!(second.next());
                assert!(waits(waiting.as_mut()).await);
                revisions.committed(&[STORE]);
            }
            drop(first);
            second.next().await;
            assert!(is_silent(&mut second).await);
        });
    }

    #[test]
    fn thousands_who_wait_are_all_told() {
        let revisions = Arc::new(Revisions::default());
        Runtime::new().unwrap().block_on(async {
            let waiting: Vec<_> = (0..2_000)
                .map(|_| {
                    let mut news = revisions.news(STORE);
                    tokio::spawn(async move { news.next().await })
                })
                .collect();
            revisions.committed(&[STORE]);
            for one in waiting {
                timeout(Duration::from_secs(20), one).await.unwrap().unwrap();
            }
        });
        assert!(revisions.stores.is_empty());
    }

    #[test]
    fn where_too_many_wait_for_a_revision_no_other_does() {
        let engine = still::engine();
        let store = engine.create_store("plants").unwrap().id;
        let revisions = Arc::new(Revisions::default());
        let runtime = Runtime::new().unwrap();
        let far = engine.revision(store).unwrap().next();
        runtime.block_on(async {
            let wait = || revisions.reach(&engine, store, far, Duration::from_secs(3600));
            let mut waiting: Vec<_> = (0..REVISION_WAITS_MAX).map(|_| Box::pin(wait())).collect();
            for one in &mut waiting {
                assert!(waits(one.as_mut()).await);
            }
            assert!(!waits(pin!(wait())).await);
            drop(waiting.pop());
            assert!(waits(pin!(wait())).await);
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
