//! Who is told of every check that was decided: whoever keeps a record of them.

use std::sync::Arc;

use arc_swap::Guard;

use super::Engine;
use super::decide::{Asked, Basis, Decided};
use super::moment::Moment;
use super::request::{CheckRequest, ContextualTuple};
use super::witness::Witness;
use crate::cache::{Grounding, Remark, Scope};
use crate::model::{Instant, Revision, StoreId, Subject, TupleKey, TupleRef};
use crate::store::{Database, Snapshot};

/// Told of every check that was decided, on the thread that decided it and before it is answered: what it costs, every check
/// costs.
///
/// Most checks are decided as they were before. So the observer may leave a remark with a decision that is kept
/// ([`Engine::remark`]), and is told of that remark's code alone as long as both hold.
pub trait CheckObserver<S: Snapshot>: Send + Sync {
    /// Whether it wants to be told of a check.
    fn wants(&self, check: &CheckRequest) -> bool;

    /// Whether it can be told of one without making the caller wait, as it looks now.
    fn has_room(&self) -> bool;

    /// A check that it has remarked on was decided once more, for an instant and on a revision that the remark holds at. As
    /// long as this has not returned, the remark is kept. Must not wait, nor ask the engine; where it has no
    /// room it is told in full.
    fn remarked(&self, code: u64, at: Instant, revision: Revision) -> Told;

    /// A check was decided. May wait until there is room.
    fn checked(&self, check: DecidedCheck<S>);

    /// Returns when everything that it was told before is dealt with.
    fn settle(&self);
}

/// What an observer has been told of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// All that it wants.
    All,
    /// Nothing yet.
    Nothing,
}

/// A check with its decision and with what it was decided at.
pub struct DecidedCheck<S: Snapshot> {
    /// The question, in one piece: what is handed over with every check is to cost little.
    asked: String,
    /// The tuples that were given with it.
    pub contextual_tuples: Box<[ContextualTuple]>,
    /// The decision.
    pub allowed: bool,
    /// The revision, the instant and the model.
    pub moment: Moment<S>,
}

impl<S: Snapshot> DecidedCheck<S> {
    /// The question, as text: `object#relation@subject`.
    pub fn question(&self) -> &str {
        &self.asked
    }

    /// The question as a tuple; `None` where it could not be one.
    pub fn asked(&self) -> Option<TupleKey> {
        let (object, rest) = self.asked.split_once('#')?;
        let (relation, subject) = rest.split_once('@')?;
        TupleKey::parse(object, relation, subject).ok()
    }
}

/// `object#relation@subject`
fn in_one_piece(check: &CheckRequest) -> String {
    let CheckRequest { object, relation, subject } = check;
    let Subject::Object(user) = subject else { return format!("{object}#{relation}@{subject}") };
    let parts = [&object.type_name, ":", &object.id, "#", relation, "@", &user.type_name, ":", &user.id];
    parts.concat()
}

impl<S: Snapshot> DecidedCheck<S> {
    /// Whether the decision may be kept: it rests on nothing that was given with it.
    fn may_be_kept(&self) -> bool {
        self.contextual_tuples.is_empty()
    }
}

/// The observer for as long as one check, or several at once, are decided.
pub(super) type Observer<D> = Guard<Option<Arc<Arc<dyn CheckObserver<<D as Database>::Snapshot>>>>>;

/// See [`Observer`].
pub(super) fn observing<D: Database>(observer: &Observer<D>) -> Option<&dyn CheckObserver<D::Snapshot>> {
    observer.as_ref().map(|observer| &***observer)
}

impl<D: Database> Engine<D> {
    /// Has `observer` told of every check from now on; there is one at a time.
    pub fn observe_checks(&self, observer: Arc<dyn CheckObserver<D::Snapshot>>) {
        self.checks.store(Some(Arc::new(observer)));
    }

    /// Has nobody told of checks any more.
    pub fn observe_no_checks(&self) {
        self.checks.store(None);
    }

    /// Returns when the observer has dealt with every check that was answered before.
    pub fn settle_checks(&self) {
        if let Some(observer) = self.checks.load_full() {
            observer.settle();
        }
    }

    /// What a finding about a check of a store rests on, as long as it is being made.
    pub fn grounding(&self, store: StoreId) -> Grounding {
        Grounding::new(self.decisions.as_ref().map(|decisions| decisions.stripes_of(store)))
    }

    /// Leaves a remark with the decision of a check, if that is still kept: from then on the observer is told of `code` alone
    /// when the same is decided and the remark's grounds hold. `bytes_elsewhere` is what the observer keeps for
    /// it. Who holds the only hold on the remark that is answered, knows that it is told of it no more, but for what it was
    /// told before.
    pub fn remark(
        &self,
        check: &DecidedCheck<D::Snapshot>,
        asked: TupleRef<'_>,
        code: u64,
        grounding: Grounding,
        bytes_elsewhere: usize,
    ) -> Option<Arc<Remark>> {
        let decisions = self.decisions.as_ref().filter(|_| check.may_be_kept())?;
        let (moment, snapshot) = (&check.moment, check.moment.snapshot());
        let found = (snapshot.sequence(), moment.at());
        let remark = Arc::new(Remark::new(code, found, grounding.grounds()?, bytes_elsewhere));
        let scope = Scope { store: moment.store(), epoch: snapshot.epoch(), model: moment.model_id() };
        decisions.remark(scope, asked, check.allowed, &remark).then_some(remark)
    }

    /// Who is told of checks.
    pub(super) fn check_observer(&self) -> Observer<D> {
        self.checks.load()
    }

    /// Shows a check to who looks on at this one, and tells the observer of its basis of it in full, if that wants to know
    /// and was not told already.
    pub(super) fn tell(
        &self,
        witness: Option<&dyn Witness<D::Snapshot>>,
        basis: &Basis<'_, D::Snapshot>,
        asked: Asked<'_>,
        decided: &Decided,
    ) {
        self.show(witness, basis, asked, decided);
        let Ok(answer) = &decided.outcome else { return };
        let observer = basis.observer.filter(|_| decided.told == Told::Nothing);
        if let Some(observer) = observer.filter(|observer| observer.wants(asked.check)) {
            observer.checked(DecidedCheck {
                asked: in_one_piece(asked.check),
                contextual_tuples: asked.contextual_tuples.into(),
                allowed: answer.allowed,
                moment: self.moment_of(basis.store, basis.snapshot, basis.model, basis.at),
            });
        }
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
