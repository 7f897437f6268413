//! Compiled models, kept as long as they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
}

impl ModelCache {
    pub(super) fn get<S: Snapshot>(
        &self,
        store: StoreId,
        snapshot: &S,
        id: ModelId,
    ) -> Result<Arc<CompiledModel>, EngineError> {
        if let Some(model) = self.models.get(&(store, id)) {
            return Ok(Arc::clone(&model));
        }
        let source = snapshot.model(id)?.ok_or(EngineError::ModelNotFound { model: id })?;
        let plan = Plan::compile(&source);
        let model = Arc::new(CompiledModel { id, source: Arc::new(source), plan });
        self.make_room(model.plan.size());
        if let Some(replaced) = self.models.insert((store, id), Arc::clone(&model)) {
            // Another query compiled it meanwhile.
            self.nodes.fetch_sub(replaced.plan.size(), Ordering::Relaxed);
        }
        Ok(model)
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
