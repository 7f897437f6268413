//! What a subject may do with an object: every relation of the object's type, asked one by one.

use super::decide::Asked;
use super::{CheckRequest, Counted, Engine, EngineError, QueryContext, validate};
use crate::eval::ReadCounts;
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
        // A type may have thousands of relations: what is given is looked at once, and there once, for all of them.
        let given = validate::given(&model.plan, &context.contextual_tuples, &context.context)?;
        let mut names: Vec<&str> = definition.relations.iter().map(|relation| &*relation.name).collect();
        names.sort_unstable();
        // Nobody is told of these.
        let basis = self.basis(store, &snapshot, &model, context);
        let (mut value, mut counts) = (HeldRelations::default(), ReadCounts::default());
        for name in names {
            let check =
                CheckRequest { object: object.clone(), relation: name.into(), subject: subject.clone() };
            let asked = Asked { given: Some(&given), ..context.asked(&check) };
            match self.one_of_several(&basis, asked, &mut counts, None) {
                Ok(answer) if answer.allowed => value.held.push(name.into()),
                Ok(_) => {}
                Err(error @ (EngineError::InvalidSubject { .. } | EngineError::Store(_))) => {
                    return Err(error);
                }
                Err(error) => value.undecided.push((name.into(), error)),
            }
        }
        Ok((basis.answer(value), counts))
    }
}
