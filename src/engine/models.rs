//! Compiled models, kept as long as they are asked for.

use std::sync::Arc;

use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;

use super::error::EngineError;
use crate::eval::Plan;
use crate::model::{AuthorizationModel, ModelId, StoreId};
use crate::store::Snapshot;

/// Compiled models kept at the most, over all stores.
const COMPILED_MODELS_MAX: usize = 4096;

/// A model and its plan.
pub(super) struct CompiledModel {
    pub(super) id: ModelId,
    pub(super) source: Arc<AuthorizationModel>,
    pub(super) plan: Plan,
}

/// Compiled models by store and identifier. A model never changes, so that an entry is never wrong; that the store
/// exists is said by the snapshot, not by this cache.
#[derive(Default)]
pub(super) struct ModelCache(DashMap<(StoreId, ModelId), Arc<CompiledModel>, DefaultHashBuilder>);

impl ModelCache {
    pub(super) fn get<S: Snapshot>(
        &self,
        store: StoreId,
        snapshot: &S,
        id: ModelId,
    ) -> Result<Arc<CompiledModel>, EngineError> {
        if let Some(model) = self.0.get(&(store, id)) {
            return Ok(Arc::clone(&model));
        }
        let source = snapshot.model(id)?.ok_or(EngineError::ModelNotFound { model: id })?;
        let plan = Plan::compile(&source);
        let model = Arc::new(CompiledModel { id, source: Arc::new(source), plan });
        if self.0.len() >= COMPILED_MODELS_MAX {
            // Whatever goes is compiled again when it is next asked for.
            let victim = self.0.iter().next().map(|entry| *entry.key());
            if let Some(victim) = victim {
                self.0.remove(&victim);
            }
        }
        self.0.insert((store, id), Arc::clone(&model));
        Ok(model)
    }
}
