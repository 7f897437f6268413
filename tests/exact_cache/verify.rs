//! What decisions are judged by: the log, replayed revision by revision, and the naive evaluator on each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::thread;

use tenure::engine::CheckRequest;
use tenure::model::{AuthorizationModel, Instant, Object, Revision, Subject, TupleKey, TupleRecord};
use tenure::store::{LogPosition, LoggedChange, Snapshot};

use crate::oracle::Oracle;

/// A decision as it was made.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// The number of the question.
    pub question: usize,
    pub revision: Revision,
    pub at: Instant,
    pub allowed: bool,
    pub stable_until: Option<Instant>,
}

pub struct Judge {
    model: AuthorizationModel,
    objects: Vec<Object>,
    subjects: Vec<Subject>,
    questions: Vec<CheckRequest>,
    /// The tuples at `replayed`.
    tuples: BTreeMap<TupleKey, TupleRecord>,
    replayed: Revision,
    pub judged: u64,
    pub allowed: u64,
    /// Decisions at the instant at which a tuple of their revision expires.
    pub on_boundaries: u64,
    /// Revisions that decisions were made at.
    pub revisions: u64,
}

impl Judge {
    pub fn new(
        model: AuthorizationModel,
        objects: Vec<Object>,
        subjects: Vec<Subject>,
        questions: Vec<CheckRequest>,
    ) -> Self {
        Self {
            model,
            objects,
            subjects,
            questions,
            tuples: BTreeMap::new(),
            replayed: Revision::ZERO,
            judged: 0,
            allowed: 0,
            on_boundaries: 0,
            revisions: 0,
        }
    }

    /// Judges decisions made at revisions from the last one that was replayed on.
    pub fn judge(&mut self, snapshot: &impl Snapshot, made: Vec<Made>) {
        let mut by_revision: BTreeMap<Revision, Vec<Made>> = BTreeMap::new();
        for decision in made {
            by_revision.entry(decision.revision).or_default().push(decision);
        }
        let mut changes: Vec<LoggedChange> = Vec::new();
        let collected =
            snapshot.changes(LogPosition::behind(self.replayed), snapshot.revision(), &mut |change| {
                changes.push(change);
                ControlFlow::Continue(())
            });
        collected.unwrap();
        let mut changes = changes.into_iter().peekable();
        let mut states: Vec<(Vec<_>, Vec<Made>)> = Vec::new();
        for (revision, made) in by_revision {
            while let Some(change) = changes.next_if(|change| change.position.revision <= revision) {
                match change.after {
                    Some(record) => self.tuples.insert(change.key, record),
                    None => self.tuples.remove(&change.key),
                };
            }
            assert!(revision >= self.replayed, "a decision of a revision before the last round");
            self.replayed = revision;
            let tuples = self.tuples.iter().map(|(key, record)| (key.clone(), record.clone()));
            states.push((tuples.collect(), made));
        }
        let judged: &Self = self;
        let share = states.len().div_ceil(thread::available_parallelism().map_or(1, NonZero::get)).max(1);
        let sums: Vec<[u64; 4]> = thread::scope(|scope| {
            let judges: Vec<_> = states
                .chunks(share)
                .map(|states| {
                    scope.spawn(move || -> Vec<_> {
                        states.iter().map(|(tuples, made)| judged.sum(tuples, made)).collect()
                    })
                })
                .collect();
            judges.into_iter().flat_map(|judge| judge.join().unwrap()).collect()
        });
        for [judged, allowed, on_boundaries, revisions] in sums {
            self.judged += judged;
            self.allowed += allowed;
            self.on_boundaries += on_boundaries;
            self.revisions += revisions;
        }
    }

    /// Judges the decisions of one revision. Answers how many they are, how many of them allow, how many are of an instant
    /// of an expiration, and one.
    fn sum(&self, tuples: &[(TupleKey, TupleRecord)], made: &[Made]) -> [u64; 4] {
        // Between two of them time changes nothing.
        let ends: BTreeSet<Instant> =
            tuples.iter().filter_map(|(_, record)| record.lifetime.expires_at).collect();
        let ended = |at: Instant| ends.range(..=at).count();
        let number = |decision: &Made| {
            let subject = &self.questions[decision.question].subject;
            self.subjects.iter().position(|own| own == subject).unwrap()
        };
        let mut held: HashMap<(usize, usize), Vec<bool>> = HashMap::new();
        let [mut allowed, mut on_boundaries] = [0; 2];
        for decision in made {
            let subject = number(decision);
            let answers = held.entry((ended(decision.at), subject)).or_insert_with(|| {
                let objects = self.objects.iter().cloned();
                let held =
                    Oracle::new(&self.model, tuples, objects, decision.at).held(&self.subjects[subject]);
                let holds = |question: &CheckRequest| {
                    held.contains(&(question.object.clone(), question.relation.clone()))
                };
                self.questions.iter().map(holds).collect()
            });
            let asked = || format!("{:?}: {decision:?}\n{tuples:#?}", self.questions[decision.question]);
            assert_eq!(decision.allowed, answers[decision.question], "{}", asked());
            assert!(decision.stable_until.is_none_or(|end| decision.at < end), "{}", asked());
            allowed += u64::from(decision.allowed);
            on_boundaries += u64::from(ends.contains(&decision.at));
        }
        // What was promised to stay so, as far as somebody asked about later.
        for decision in made {
            let last = decision.stable_until.map_or(ends.len(), |end| ends.range(..end).count());
            for stretch in ended(decision.at)..=last {
                if let Some(answers) = held.get(&(stretch, number(decision))) {
                    let asked = &self.questions[decision.question];
                    assert_eq!(decision.allowed, answers[decision.question], "{asked:?}: {decision:?}");
                }
            }
        }
        [u64::try_from(made.len()).unwrap(), allowed, on_boundaries, 1]
    }
}
