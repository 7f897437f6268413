//! Assertions: questions with the answers that a model is expected to give. They are kept beside a model for those who
//! test it; nothing is decided by them.

use serde::{Deserialize, Serialize};

use super::tuple::{Lifetime, TupleCondition, TupleKey};

/// A question and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The question: does this subject hold this relation on this object?
    pub key: TupleKey,
    /// The answer.
    pub expected: bool,
    /// Tuples that count for this question.
    pub contextual_tuples: Vec<AssertedTuple>,
    /// The context of conditions, a JSON object, where one is given.
    pub context: Option<Box<str>>,
}

/// A tuple that is given with an assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertedTuple {
    /// Its key.
    pub key: TupleKey,
    /// When it counts.
    pub lifetime: Lifetime,
    /// The condition under which it counts.
    pub condition: Option<TupleCondition>,
}

impl Assertion {
    /// Bytes of all its texts together.
    pub fn bytes(&self) -> usize {
        let key = |key: &TupleKey| key.to_string().len();
        let tuple = |tuple: &AssertedTuple| {
            let condition = tuple.condition.as_ref();
            key(&tuple.key) + condition.map_or(0, |c| c.name.len() + c.context.len())
        };
        let contextual: usize = self.contextual_tuples.iter().map(tuple).sum();
        key(&self.key) + contextual + self.context.as_deref().map_or(0, str::len)
    }
}
