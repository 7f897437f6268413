//! What a subject may do with an object: every relation of the object's type, asked one by one.

use super::{Answer, BatchCheckItem, Counted, Engine, EngineError, QueryContext};
use crate::engine::CheckRequest;
use crate::model::{Object, StoreId, Subject};
use crate::store::Database;

/// Which relations of an object a subject holds.
#[derive(Debug, Clone, Default)]
pub struct HeldRelations {
    /// Those that it holds, by name.
    pub held: Vec<Box<str>>,
    /// Those that could not be decided, by name, with the reason: whether they are held is not known.
    pub undecided: Vec<(Box<str>, EngineError)>,
}

impl<D: Database> Engine<D> {
    /// Which relations of an object a subject holds, all at one revision and one instant, with what was read together. The
    /// error is one of the whole query: of the object, the subject, the context or the storage.
    pub fn relations_held(
        &self,
        store: StoreId,
        context: &QueryContext,
        object: &Object,
        subject: &Subject,
    ) -> Result<Counted<HeldRelations>, EngineError> {
        let (snapshot, model) = self.query(store, context)?;
        let Some(definition) = model.source.type_definition(&object.type_name) else {
            return Err(EngineError::TypeNotFound { type_name: object.type_name.clone() });
        };
        let mut names: Vec<&str> = definition.relations.iter().map(|relation| &*relation.name).collect();
        names.sort_unstable();
        let check = |relation: &&str| BatchCheckItem {
            check: CheckRequest {
                object: object.clone(),
                relation: (*relation).into(),
                subject: subject.clone(),
            },
            contextual_tuples: context.contextual_tuples.clone(),
            context: context.context.clone(),
        };
        let checks: Vec<_> = names.iter().map(check).collect();
        // Nobody is told of these.
        let basis = self.basis(store, &snapshot, &model, context);
        let (answer, counts) = self.batch(&basis, &checks, None, None);
        let mut value = HeldRelations::default();
        for (name, outcome) in names.into_iter().zip(answer.value) {
            match outcome {
                Ok(answer) if answer.allowed => value.held.push(name.into()),
                Ok(_) => {}
                Err(
                    error @ (EngineError::InvalidSubject { .. }
                    | EngineError::InvalidContext(_)
                    | EngineError::Store(_)),
                ) => return Err(error),
                Err(error) => value.undecided.push((name.into(), error)),
            }
        }
        Ok((Answer { value, model: answer.model, revision: answer.revision, at: answer.at }, counts))
    }
}
