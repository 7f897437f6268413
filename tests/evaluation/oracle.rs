//! The naive evaluator: the well-founded semantics (Van Gelder, Ross, Schlipf 1991) by the alternating fixed point,
//! over everything that a subject might hold on anything. No plan, no order, no cycles to look for: a set grows until it
//! grows no more. It shares only the words of the model with the evaluator that it judges.
//!
//! Whatever is subtracted counts as a relation of its own, which nobody can ask for. Without that, what is subtracted
//! from something subtracted would be a condition like any other, and a circle through it false and not undefined.

use std::collections::BTreeSet;

use tenure::model::{
    AuthorizationModel, Instant, Object, RestrictionKind, Rewrite, Subject, TupleKey, TupleRecord,
};

/// What a subject holds.
type Held = BTreeSet<(Object, Box<str>)>;

pub struct Oracle<'a> {
    model: &'a AuthorizationModel,
    live: Vec<&'a TupleKey>,
    objects: BTreeSet<Object>,
}

impl<'a> Oracle<'a> {
    pub fn new(
        model: &'a AuthorizationModel,
        tuples: impl IntoIterator<Item = &'a (TupleKey, TupleRecord)>,
        objects: impl IntoIterator<Item = Object>,
        at: Instant,
    ) -> Self {
        let live: Vec<_> = tuples
            .into_iter()
            .filter(|(_, record)| record.lifetime.is_live(at))
            .filter(|(key, record)| admitted(model, key, record))
            .map(|(key, _)| key)
            .collect();
        Self { model, live, objects: objects.into_iter().collect() }
    }

    /// Everything that the subject holds. What is undefined, is not held.
    pub fn held(&self, subject: &Subject) -> Held {
        let mut held = Held::new();
        loop {
            let possible = self.least(subject, &held);
            let certain = self.least(subject, &possible);
            if certain == held {
                return held;
            }
            held = certain;
        }
    }

    /// The least set that contains what follows from it, what is subtracted being judged by `against`.
    fn least(&self, subject: &Subject, against: &Held) -> Held {
        let mut set = Held::new();
        loop {
            let before = set.len();
            for object in &self.objects {
                let Some(definition) = self.model.type_definition(&object.type_name) else { continue };
                for relation in &definition.relations {
                    let itself = matches!(subject, Subject::Userset(own, name) if own == object && *name == relation.name);
                    if itself || self.holds(subject, object, &relation.name, &relation.rewrite, &set, against)
                    {
                        set.insert((object.clone(), relation.name.clone()));
                    }
                    let mut subtracted = Vec::new();
                    collect_subtracted(&relation.rewrite, &mut subtracted);
                    for rewrite in subtracted {
                        if self.holds(subject, object, &relation.name, rewrite, &set, against) {
                            set.insert((object.clone(), name_of(&relation.name, rewrite)));
                        }
                    }
                }
            }
            if set.len() == before {
                return set;
            }
        }
    }

    fn holds(
        &self,
        subject: &Subject,
        object: &Object,
        relation: &str,
        rewrite: &Rewrite,
        set: &Held,
        against: &Held,
    ) -> bool {
        let again = |rewrite: &Rewrite| self.holds(subject, object, relation, rewrite, set, against);
        match rewrite {
            Rewrite::This => self.subjects(object, relation).any(|given| match (given, subject) {
                _ if given == subject => true,
                (Subject::Wildcard(of), Subject::Object(one)) => *of == one.type_name,
                (Subject::Userset(of, name), _) => set.contains(&(of.clone(), name.clone())),
                _ => false,
            }),
            Rewrite::Computed(name) => set.contains(&(object.clone(), name.clone())),
            Rewrite::TupleToUserset { tupleset, computed } => {
                self.subjects(object, tupleset).any(|given| match given {
                    Subject::Object(parent) => set.contains(&(parent.clone(), computed.clone())),
                    _ => false,
                })
            }
            Rewrite::Union(children) => children.iter().any(again),
            Rewrite::Intersection(children) => children.iter().all(again),
            Rewrite::Difference { base, subtract } => {
                again(base) && !against.contains(&(object.clone(), name_of(relation, subtract)))
            }
        }
    }

    fn subjects<'s>(
        &'s self,
        object: &'s Object,
        relation: &'s str,
    ) -> impl Iterator<Item = &'s Subject> + 's {
        self.live
            .iter()
            .filter(move |key| key.object == *object && &*key.relation == relation)
            .map(|key| &key.subject)
    }
}

/// Everything that is subtracted somewhere in a rewrite.
fn collect_subtracted<'r>(rewrite: &'r Rewrite, found: &mut Vec<&'r Rewrite>) {
    match rewrite {
        Rewrite::This | Rewrite::Computed(_) | Rewrite::TupleToUserset { .. } => {}
        Rewrite::Union(children) | Rewrite::Intersection(children) => {
            children.iter().for_each(|child| collect_subtracted(child, found));
        }
        Rewrite::Difference { base, subtract } => {
            found.push(subtract);
            collect_subtracted(base, found);
            collect_subtracted(subtract, found);
        }
    }
}

/// The name of what is subtracted, as a relation: two that read alike are alike.
fn name_of(relation: &str, subtracted: &Rewrite) -> Box<str> {
    format!("{relation}: {subtracted:?}").into()
}

/// Whether the model admits a tuple of this form under its condition; one that it does not admit counts as absent.
pub fn admitted(model: &AuthorizationModel, key: &TupleKey, record: &TupleRecord) -> bool {
    let Some(relation) = model.relation(&key.object.type_name, &key.relation) else { return false };
    let condition = record.condition.as_ref().map(|condition| &*condition.name);
    let under = relation.restrictions.iter().filter(|r| r.condition.as_deref() == condition);
    under.into_iter().any(|restriction| match (&restriction.kind, &key.subject) {
        (RestrictionKind::Object, Subject::Object(object)) => object.type_name == restriction.type_name,
        (RestrictionKind::Wildcard, Subject::Wildcard(of)) => *of == restriction.type_name,
        (RestrictionKind::Userset(name), Subject::Userset(object, relation)) => {
            object.type_name == restriction.type_name && relation == name
        }
        _ => false,
    })
}
