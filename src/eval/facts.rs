//! The only door to tuples.
//!
//! Every read of an evaluation goes through here: contextual tuples stand in the place of stored ones with the
//! same key, a tuple that is not live counts as absent, one with a condition counts by it, and each read is counted
//! against the budget. A read that went past this door would be a wrong answer waiting to happen.

use super::conditions::{Judge, Standing};
use super::memo::{KeptDecision, Memo, Room, Stripe};
use super::outcome::{Outcome, Value};
use super::plan::{Plan, Rel};
use super::reads::{Asked, Reads};
use super::wanted::{Patience, Wanted};
use super::{Decision, EvalError, Failure, LimitReached};
use crate::cel::Context;
use crate::model::{
    Instant, Lifetime, ObjectRef, Subject, SubjectClass, SubjectRef, TupleKey, TupleRecord, TupleRef,
};
use crate::store::Snapshot;

/// Tuples that are given with a query, sorted by key, one per key.
#[derive(Debug, Clone, Default)]
pub struct ContextualTuples(Vec<(TupleKey, TupleRecord)>);

impl ContextualTuples {
    /// Of several with one key, the last counts.
    pub fn new(tuples: impl IntoIterator<Item = (TupleKey, TupleRecord)>) -> Self {
        let mut sorted: Vec<_> = tuples.into_iter().collect();
        sorted.reverse();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        sorted.dedup_by(|(a, _), (b, _)| a == b);
        Self(sorted)
    }

    /// These, with others in the place of those with the same keys.
    pub(super) fn with(&self, others: impl IntoIterator<Item = (TupleKey, TupleRecord)>) -> Self {
        Self::new(self.0.iter().cloned().chain(others))
    }

    fn get(&self, key: TupleRef<'_>) -> Option<&TupleRecord> {
        let index = self.0.binary_search_by(|(own, _)| own.as_ref().cmp(&key)).ok()?;
        self.0.get(index).map(|(_, record)| record)
    }

    /// Whether one of them stands in the place of the stored tuple with this key.
    fn replaces(&self, key: TupleRef<'_>) -> bool {
        !self.0.is_empty() && self.get(key).is_some()
    }
}

/// What an evaluation has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCounts {
    /// Point reads.
    pub points: u64,
    /// Scans begun.
    pub scans: u64,
    /// Entries that scans went over.
    pub entries: u64,
    /// Conditions evaluated, each weighed by the size of its contexts.
    pub conditions: u64,
    /// What decisions that were kept took when they were made: not read again, but counted by the budget.
    pub kept: u64,
}

impl ReadCounts {
    /// All of them, as the budget counts them.
    pub fn total(&self) -> u64 {
        self.made().saturating_add(self.kept)
    }

    /// Those that were made.
    pub fn made(&self) -> u64 {
        let reads = self.points.saturating_add(self.scans).saturating_add(self.entries);
        reads.saturating_add(self.conditions)
    }

    /// Whether a kept decision was all that it took.
    pub fn is_kept(&self) -> bool {
        self.made() == 0 && self.kept > 0
    }

    /// Takes in those of another evaluation.
    pub fn add(&mut self, other: Self) {
        self.points = self.points.saturating_add(other.points);
        self.scans = self.scans.saturating_add(other.scans);
        self.entries = self.entries.saturating_add(other.entries);
        self.conditions = self.conditions.saturating_add(other.conditions);
        self.kept = self.kept.saturating_add(other.kept);
    }

    /// To be called with each read, after it is counted.
    fn within(&self, reads_max: u64, patience: &mut Patience) -> Result<(), EvalError> {
        patience.read()?;
        if self.total() > reads_max { Err(LimitReached::Reads { reads: reads_max }.into()) } else { Ok(()) }
    }
}

/// Up to when something holds, as far as the passing of time goes: exclusive, in microseconds; the largest value is
/// never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Until(i64);

impl Until {
    pub(super) const NEVER: Self = Self(i64::MAX);

    pub(super) fn of(lifetime: Lifetime) -> Self {
        Self::at(lifetime.expires_at)
    }

    pub(super) fn at(instant: Option<Instant>) -> Self {
        instant.map_or(Self::NEVER, |end| Self(end.unix_micros()))
    }

    pub(super) fn instant(self) -> Option<Instant> {
        if self == Self::NEVER { None } else { Instant::from_unix_micros(self.0) }
    }
}

/// A tuple as it is, whether it counts or not.
pub(super) struct FoundTuple {
    pub(super) subject: Subject,
    pub(super) record: TupleRecord,
    /// Whether it was given with the query.
    pub(super) contextual: bool,
}

/// The tuples of one revision at one instant.
pub(super) struct Facts<'a, S: Snapshot> {
    reads: Reads<'a, S>,
    contextual: ContextualTuples,
    judge: Judge<'a>,
    counts: ReadCounts,
    reads_max: u64,
    patience: Patience,
    /// Contextual tuples that belong to the scan under way and have not been given out.
    pending: Vec<usize>,
}

impl<'a, S: Snapshot> Facts<'a, S> {
    pub(super) fn new(
        plan: &'a Plan,
        snapshot: &'a S,
        contextual: ContextualTuples,
        context: &'a Context,
        at: Instant,
        reads_max: u64,
    ) -> Self {
        Self {
            reads: Reads::new(snapshot),
            contextual,
            judge: Judge::new(plan, context, at),
            counts: ReadCounts::default(),
            reads_max,
            patience: Patience::new(Wanted::default()),
            pending: Vec::new(),
        }
    }

    /// From now on, ends when nobody waits any more.
    pub(super) fn go_on_as_long_as(&mut self, wanted: &Wanted) {
        self.patience = Patience::new(wanted.clone());
    }

    /// From now on, takes decisions from a memo and gives it some. What is given with a query is in none.
    pub(super) fn remember(&mut self, memo: &'a dyn Memo) {
        if self.contextual.0.is_empty() && self.judge.has_no_context() {
            self.reads.remember(memo);
        }
    }

    /// From now on, takes down what is read by the stripes of a memo that has no decisions and keeps none.
    pub(super) fn note_reads(&mut self, memo: &'a dyn Memo) {
        self.reads.remember(memo);
    }

    /// The stripes of all that was read; `None` where some are missing.
    pub(super) fn reads_noted(&self) -> Option<&[Stripe]> {
        self.reads.noted()
    }

    /// Whether there is a memo.
    pub(super) fn remembers(&self) -> bool {
        self.reads.remembers()
    }

    /// A kept decision of at most so many hops that fits into what may still be read, where it is counted.
    pub(super) fn find(&mut self, question: TupleRef<'_>, height_max: u32) -> Option<KeptDecision> {
        let reads_max = self.reads_max.saturating_sub(self.counts.total());
        let kept = self.reads.find(question, Room { height_max, reads_max })?;
        self.counts.kept = self.counts.kept.saturating_add(kept.reads);
        Some(kept)
    }

    /// Begins a decision that [`keep`](Self::keep) may end.
    pub(super) fn ask(&self) -> Asked {
        self.reads.ask(self.counts.total())
    }

    /// Gives the memo what a question came to, if that is a fact; it was looked at for `height` hops.
    pub(super) fn keep(&self, asked: Asked, question: TupleRef<'_>, outcome: &Outcome, height: u32) {
        if outcome.is_fact() {
            let allowed = outcome.value == Value::True;
            let decision = Decision { allowed, stable_until: outcome.until.instant() };
            self.reads.keep(asked, question, decision, height, self.counts.total());
        }
    }

    pub(super) fn at(&self) -> Instant {
        self.judge.at()
    }

    pub(super) fn counts(&self) -> ReadCounts {
        self.counts
    }

    /// The error that a failure is told as.
    pub(super) fn error(&self, failure: Failure) -> EvalError {
        match failure {
            Failure::Limit(limit) => EvalError::Limit(limit),
            Failure::Condition(index) => match self.judge.failure(index) {
                Some(failure) => EvalError::Condition(failure.clone()),
                // Cannot be: every index was given out for a failure that is kept.
                None => EvalError::Limit(LimitReached::Reads { reads: self.reads_max }),
            },
        }
    }

    /// Sets how much may be read in all.
    pub(super) fn set_reads_max(&mut self, reads_max: u64) {
        self.reads_max = reads_max;
    }

    /// Whether all that may be read has been.
    pub(super) fn are_exhausted(&self) -> bool {
        self.counts.total() > self.reads_max
    }

    /// Lets `ask` read at most `reads` of what may be read in all.
    pub(super) fn within<T>(
        &mut self,
        reads: u64,
        ask: impl FnOnce(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let all = self.reads_max;
        self.reads_max = all.min(self.counts.total().saturating_add(reads));
        let answer = ask(self);
        self.reads_max = all;
        answer.map_err(|error| match error {
            EvalError::Limit(LimitReached::Reads { .. }) => {
                LimitReached::Reads { reads: if self.are_exhausted() { all } else { reads } }.into()
            }
            other => other,
        })
    }

    /// What a tuple of `rel` comes to.
    pub(super) fn tuple(&mut self, rel: Rel, key: TupleRef<'_>) -> Result<Standing, EvalError> {
        if !self.contextual.0.is_empty()
            && let Some(record) = self.contextual.get(key)
        {
            let standing = self.judge.standing(&mut self.counts, rel, key, record);
            self.counts.within(self.reads_max, &mut self.patience)?;
            return Ok(standing);
        }
        self.counts.points += 1;
        self.counts.within(self.reads_max, &mut self.patience)?;
        let record = self.reads.tuple(key)?;
        Ok(record.map_or(Standing::Absent, |record| self.judge.standing(&mut self.counts, rel, key, &record)))
    }

    /// Begins a scan of the subjects of one class; ends a scan of subjects under way.
    pub(super) fn scan_subjects(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        class: SubjectClass,
    ) -> Result<(), EvalError> {
        self.pending.clear();
        if !self.contextual.0.is_empty() {
            let belongs = |key: TupleRef<'_>| {
                key.object == object && key.relation == relation && key.subject.class() == class
            };
            let own = self.contextual.0.iter().enumerate();
            self.pending.extend(own.filter(|(_, (key, _))| belongs(key.as_ref())).map(|(index, _)| index));
        }
        self.counts.scans += 1;
        self.counts.within(self.reads_max, &mut self.patience)?;
        Ok(self.reads.seek_subjects(object, relation, class)?)
    }

    /// Calls `visit` with the next subjects of the scan under way whose tuples count or whose conditions fail, until it
    /// answers `false` or none is left. Answers whether none is left; called again, it goes on. `object` and `rel` are
    /// those of the scan, `relation` is the name of `rel`.
    pub(super) fn each_subject(
        &mut self,
        object: ObjectRef<'_>,
        rel: Rel,
        relation: &str,
        mut visit: impl FnMut(SubjectRef<'_>, Standing) -> bool,
    ) -> Result<bool, EvalError> {
        self.each_entry(object, rel, relation, |subject, standing| {
            standing == Standing::Absent || visit(subject, standing)
        })
    }

    /// [`each_subject`](Self::each_subject), with those whose tuples do not count, too.
    pub(super) fn each_entry(
        &mut self,
        object: ObjectRef<'_>,
        rel: Rel,
        relation: &str,
        mut visit: impl FnMut(SubjectRef<'_>, Standing) -> bool,
    ) -> Result<bool, EvalError> {
        while let Some((key, record)) = self.pending.pop().and_then(|index| self.contextual.0.get(index)) {
            let standing = self.judge.standing(&mut self.counts, rel, key.as_ref(), record);
            if !visit(key.subject.as_ref(), standing) {
                return Ok(false);
            }
        }
        while let Some((subject, record)) = self.reads.next_subject()? {
            self.counts.entries += 1;
            self.counts.within(self.reads_max, &mut self.patience)?;
            let key = TupleRef { object, relation, subject };
            if self.contextual.replaces(key) {
                continue;
            }
            let standing = self.judge.standing(&mut self.counts, rel, key, &record);
            if !visit(subject, standing) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The tuples of an object's relation with their records, in the order of their keys; those that do not count too,
    /// where `include_inactive` says so.
    pub(super) fn tuples_of(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        include_inactive: bool,
    ) -> Result<Vec<(Subject, TupleRecord)>, EvalError> {
        let belongs = |key: TupleRef<'_>| key.object == object && key.relation == relation;
        let contextual = self.contextual.0.iter().filter(|(key, _)| belongs(key.as_ref()));
        let mut found: Vec<_> =
            contextual.map(|(key, record)| (key.subject.clone(), record.clone())).collect();
        for class in [SubjectClass::Object, SubjectClass::Wildcard, SubjectClass::Userset] {
            self.counts.scans += 1;
            self.reads.seek_subjects(object, relation, class)?;
            while let Some((subject, record)) = self.reads.next_subject()? {
                self.counts.entries += 1;
                self.counts.within(self.reads_max, &mut self.patience)?;
                if !self.contextual.replaces(TupleRef { object, relation, subject }) {
                    found.push((subject.to_owned(), record));
                }
            }
        }
        found.retain(|(_, record)| include_inactive || record.lifetime.is_live(self.judge.at()));
        Ok(found)
    }

    /// The tuple with this key, whether it counts or not.
    pub(super) fn found(&mut self, key: TupleRef<'_>) -> Result<Option<FoundTuple>, EvalError> {
        let found = |record, contextual| FoundTuple { subject: key.subject.to_owned(), record, contextual };
        if let Some(record) = self.contextual.get(key) {
            return Ok(Some(found(record.clone(), true)));
        }
        self.counts.points += 1;
        self.counts.within(self.reads_max, &mut self.patience)?;
        Ok(self.reads.tuple(key)?.map(|record| found(record, false)))
    }

    /// At most `limit` tuples of an object's relation and class of subject, whether they count or not, those given with
    /// the query first; and whether there are more.
    pub(super) fn found_of(
        &mut self,
        object: ObjectRef<'_>,
        relation: &str,
        class: SubjectClass,
        limit: usize,
    ) -> Result<(Vec<FoundTuple>, bool), EvalError> {
        let belongs = |key: TupleRef<'_>| {
            key.object == object && key.relation == relation && key.subject.class() == class
        };
        let contextual = self.contextual.0.iter().filter(|(key, _)| belongs(key.as_ref()));
        let given = |(key, record): &(TupleKey, TupleRecord)| FoundTuple {
            subject: key.subject.clone(),
            record: record.clone(),
            contextual: true,
        };
        let mut found: Vec<_> = contextual.map(given).collect();
        self.counts.scans += 1;
        self.reads.seek_subjects(object, relation, class)?;
        while let Some((subject, record)) = self.reads.next_subject()? {
            self.counts.entries += 1;
            self.counts.within(self.reads_max, &mut self.patience)?;
            if self.contextual.replaces(TupleRef { object, relation, subject }) {
                continue;
            }
            if found.len() >= limit {
                return Ok((found, true));
            }
            found.push(FoundTuple { subject: subject.to_owned(), record, contextual: false });
        }
        Ok((found, false))
    }

    /// What a tuple of `rel` that was found comes to.
    pub(super) fn standing(&mut self, rel: Rel, key: TupleRef<'_>, record: &TupleRecord) -> Standing {
        self.judge.standing(&mut self.counts, rel, key, record)
    }

    /// Forgets the failures so far; none that was told may be asked for any more.
    pub(super) fn forget_failures(&mut self) {
        self.judge.forget_failures();
    }

    /// Calls `visit` with the object of each tuple of a subject on the relation `rel` of one type, whether it counts or not,
    /// until it answers `false` or none is left. `relation` is the name of `rel`.
    pub(super) fn objects_of(
        &mut self,
        subject: SubjectRef<'_>,
        object_type: &str,
        rel: Rel,
        relation: &str,
        mut visit: impl FnMut(&str, Standing) -> bool,
    ) -> Result<(), EvalError> {
        for (key, record) in &self.contextual.0 {
            let key = key.as_ref();
            if key.subject != subject || key.object.type_name != object_type || key.relation != relation {
                continue;
            }
            let standing = self.judge.standing(&mut self.counts, rel, key, record);
            if !visit(key.object.id, standing) {
                return Ok(());
            }
        }
        self.counts.scans += 1;
        self.counts.within(self.reads_max, &mut self.patience)?;
        self.reads.seek_objects(subject, object_type, relation)?;
        while let Some((id, record)) = self.reads.next_object()? {
            self.counts.entries += 1;
            self.counts.within(self.reads_max, &mut self.patience)?;
            let key = TupleRef { object: ObjectRef { type_name: object_type, id }, relation, subject };
            if self.contextual.replaces(key) {
                continue;
            }
            let standing = self.judge.standing(&mut self.counts, rel, key, &record);
            if !visit(id, standing) {
                return Ok(());
            }
        }
        Ok(())
    }
}
