//! Compiled models, kept as long as they are asked for.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;

use super::error::EngineError;
use crate::eval::Plan;
use crate::model::{AuthorizationModel, ModelId, StoreId};
use crate::store::Snapshot;

/// Compiled models kept at the most, over all stores.
const COMPILED_MODELS_MAX: usize = 4096;
/// What they may come to together, in nodes of their rewrites: a bound on their memory, of which a node takes up to a few
/// hundred bytes for each type of subject that asks.
const COMPILED_NODES_MAX: usize = 1_000_000;

/// Models that are compiled at once at the most. Two of them share a turn now and then, which only makes one wait.
const TURNS: usize = 32;

/// A model and its plan.
pub(super) struct CompiledModel {
    pub(super) id: ModelId,
    pub(super) source: Arc<AuthorizationModel>,
    pub(super) plan: Plan,
}

/// Compiled models by store and identifier. A model never changes, so that an entry is never wrong; that the store
/// exists is said by the snapshot, not by this cache.
#[derive(Default)]
pub(super) struct ModelCache {
    models: DashMap<(StoreId, ModelId), Arc<CompiledModel>, DefaultHashBuilder>,
    nodes: AtomicUsize,
    /// Whose turn it is to compile, by model.
    turns: [Mutex<()>; TURNS],
}

impl ModelCache {
    /// The model, if it is compiled already. Waits for nobody.
    pub(super) fn compiled(&self, store: StoreId, id: ModelId) -> Option<Arc<CompiledModel>> {
        self.models.get(&(store, id)).map(|model| Arc::clone(&model))
    }

    /// The model, which is compiled first where it is not yet: once, however many ask at the same time, and the others
    /// wait for that. So it is not for a thread that has others to serve; see [`compiled`](Self::compiled).
    pub(super) fn get<S: Snapshot>(
        &self,
        store: StoreId,
        snapshot: &S,
        id: ModelId,
    ) -> Result<Arc<CompiledModel>, EngineError> {
        if let Some(model) = self.compiled(store, id) {
            return Ok(model);
        }
        let _turn = self.turn(store, id).map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(model) = self.compiled(store, id) {
            return Ok(model);
        }
        let source = snapshot.model(id)?.ok_or(EngineError::ModelNotFound { model: id })?;
        let plan = Plan::compile(&source);
        let model = Arc::new(CompiledModel { id, source: Arc::new(source), plan });
        self.make_room(model.plan.size());
        if let Some(replaced) = self.models.insert((store, id), Arc::clone(&model)) {
            self.nodes.fetch_sub(replaced.plan.size(), Ordering::Relaxed);
        }
        Ok(model)
    }

    fn turn(&self, store: StoreId, id: ModelId) -> Option<&Mutex<()>> {
        let hash = self.models.hasher().hash_one((store, id));
        self.turns.get(usize::try_from(hash % TURNS as u64).unwrap_or(0))
    }

    /// Counts `nodes` more and lets others go until they fit. Whatever goes is compiled again when it is next asked for.
    fn make_room(&self, nodes: usize) {
        let mut all = self.nodes.fetch_add(nodes, Ordering::Relaxed) + nodes;
        while self.models.len() >= COMPILED_MODELS_MAX || all > COMPILED_NODES_MAX {
            let victim = self.models.iter().next().map(|entry| *entry.key());
            let Some((_, gone)) = victim.and_then(|victim| self.models.remove(&victim)) else { return };
            all = self.nodes.fetch_sub(gone.plan.size(), Ordering::Relaxed) - gone.plan.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::model::{Clock, Instant};
    use crate::schema;
    use crate::store::memory::MemoryDatabase;
    use crate::store::{Batch, Database};

    /// Stands still.
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Instant {
            Instant::MIN
        }
    }

    #[test]
    fn a_model_is_compiled_once_however_many_ask_at_the_same_time() {
        const ASKING: usize = 8;
        let database = MemoryDatabase::new(Arc::new(Still));
        let store = database.create_store("models").unwrap().id;
        let model = "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user]\n";
        let model = schema::parse(model).unwrap();
        for _ in 0..50 {
            database.commit(store, Batch { model: Some(model.clone()), ..Batch::default() }).unwrap();
            let snapshot = database.snapshot(store).unwrap().unwrap();
            let id = snapshot.newest_model().unwrap();
            let cache = ModelCache::default();
            assert!(cache.compiled(store, id).is_none());
            let barrier = Barrier::new(ASKING);
            let ask = || {
                barrier.wait();
                cache.get(store, &snapshot, id).ok().unwrap()
            };
            let models: Vec<_> = thread::scope(|scope| {
                let asking: Vec<_> = (0..ASKING).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|asking| asking.join().unwrap()).collect()
            });
            assert!(models.iter().all(|model| Arc::ptr_eq(model, &models[0])), "all have the same plan");
            assert!(cache.compiled(store, id).is_some_and(|model| Arc::ptr_eq(&model, &models[0])));
            assert_eq!(cache.nodes.load(Ordering::Relaxed), models[0].plan.size(), "it is counted once");
        }
    }
}
