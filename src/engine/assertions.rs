//! Assertions beside models: written, read, never decided by.

use super::{Engine, EngineError, validate};
use crate::model::{Assertion, ModelId, StoreId};
use crate::store::{Batch, Committed, Database, Snapshot};

impl<D: Database> Engine<D> {
    /// Puts assertions in the place of those that a model has. A question must be one that can be asked of the model, and
    /// a contextual tuple one that could be written under it.
    pub fn write_assertions(
        &self,
        store: StoreId,
        model: ModelId,
        assertions: Vec<Assertion>,
    ) -> Result<Committed, EngineError> {
        let (_, compiled) = self.resolve(store, Some(model))?;
        for assertion in &assertions {
            validate::assertion(&compiled.plan, assertion)?;
        }
        let batch = Batch { assertions: Some((model, assertions)), ..Batch::default() };
        Ok(self.database.commit(store, batch)?)
    }

    /// The assertions of a model; none where nobody has written any.
    pub fn assertions(&self, store: StoreId, model: ModelId) -> Result<Vec<Assertion>, EngineError> {
        let (snapshot, _) = self.resolve(store, Some(model))?;
        Ok(snapshot.assertions(model)?)
    }
}
