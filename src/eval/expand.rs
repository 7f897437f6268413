//! Expand: one level of a relation as a tree, as the model writes it (openfga-api, section 2).
//!
//! Usersets are not followed, and nothing is decided: the tree shows what a decision would look at.

use super::EvalError;
use super::facts::Facts;
use super::plan::{Plan, Rel, fits};
use super::tree::{ExpandedSubject, Node, NodeValue};
use crate::model::{ObjectRef, Rewrite, Subject};
use crate::store::Snapshot;

pub(super) fn expand<S: Snapshot>(
    plan: &Plan,
    facts: &mut Facts<'_, S>,
    object: ObjectRef<'_>,
    relation: &str,
    include_inactive: bool,
) -> Result<Node, EvalError> {
    let nobody = NodeValue::Users(Vec::new());
    let found = plan.find(object.type_name, relation).and_then(|rel| Some((rel, plan.source(rel)?.0)));
    let Some((rel, rewrite)) = found else {
        return Ok(Node { object: object.to_owned(), relation: relation.into(), value: nobody });
    };
    Expansion { plan, facts, object, rel, include_inactive }.node(rewrite)
}

struct Expansion<'e, 'a, S: Snapshot> {
    plan: &'e Plan,
    facts: &'e mut Facts<'a, S>,
    object: ObjectRef<'e>,
    rel: Rel,
    include_inactive: bool,
}

impl<S: Snapshot> Expansion<'_, '_, S> {
    /// Recurses as deep as one relation's definition is nested, which a valid model bounds.
    fn node(&mut self, rewrite: &Rewrite) -> Result<Node, EvalError> {
        let value = match rewrite {
            Rewrite::This => NodeValue::Users(self.subjects(self.rel)?),
            Rewrite::Computed(relation) => NodeValue::Computed { relation: relation.clone() },
            Rewrite::TupleToUserset { tupleset, computed } => self.tuple_to_userset(tupleset, computed)?,
            Rewrite::Union(children) => NodeValue::Union(self.nodes(children)?),
            Rewrite::Intersection(children) => NodeValue::Intersection(self.nodes(children)?),
            Rewrite::Difference { base, subtract } => {
                let base = Box::new(self.node(base)?);
                NodeValue::Difference { base, subtract: Box::new(self.node(subtract)?) }
            }
        };
        let relation = self.plan.relation_name(self.rel).into();
        Ok(Node { object: self.object.to_owned(), relation, value })
    }

    fn nodes(&mut self, rewrites: &[Rewrite]) -> Result<Vec<Node>, EvalError> {
        rewrites.iter().map(|rewrite| self.node(rewrite)).collect()
    }

    /// The subjects of a relation's own tuples that the model admits, sorted as they print.
    fn subjects(&mut self, rel: Rel) -> Result<Vec<ExpandedSubject>, EvalError> {
        let relation = self.plan.relation_name(rel);
        let restrictions = self.plan.source(rel).map_or(&[][..], |(_, restrictions)| restrictions);
        let found = self.facts.tuples_of(self.object, relation, self.include_inactive)?;
        let mut subjects: Vec<_> = found
            .into_iter()
            .filter(|(subject, record)| {
                let condition = record.condition.as_ref().map(|condition| &*condition.name);
                restrictions.iter().any(|r| fits(r, subject.as_ref()) && r.condition.as_deref() == condition)
            })
            .map(|(subject, record)| ExpandedSubject { subject, record })
            .collect();
        subjects.sort_by_cached_key(|expanded| expanded.subject.to_string());
        Ok(subjects)
    }

    fn tuple_to_userset(&mut self, tupleset: &str, computed: &str) -> Result<NodeValue, EvalError> {
        let named = match self.plan.find(self.object.type_name, tupleset) {
            Some(rel) => self.subjects(rel)?,
            None => Vec::new(),
        };
        let objects = named.into_iter().filter_map(|expanded| match expanded.subject {
            Subject::Object(object) => Some((object, computed.into())),
            Subject::Wildcard(_) | Subject::Userset(..) => None,
        });
        Ok(NodeValue::TupleToUserset { tupleset: tupleset.into(), computed: objects.collect() })
    }
}
