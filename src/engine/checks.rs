//! Who is told of every check that was decided: whoever keeps a record of them.

use std::sync::{Arc, Weak};

use super::Engine;
use super::models::CompiledModel;
use super::moment::Moment;
use super::request::{CheckRequest, ContextualTuple};
use crate::model::{Instant, StoreId, Subject, TupleKey};
use crate::store::{Database, Snapshot};

/// Told of every check that was decided, on the thread that decided it and before it is answered: what it costs, every check
/// costs.
pub trait CheckObserver<S: Snapshot>: Send + Sync {
    /// Whether it wants to be told of a check.
    fn wants(&self, check: &CheckRequest) -> bool;

    /// A check was decided.
    fn checked(&self, check: DecidedCheck<S>);

    /// Returns when everything that it was told before is dealt with.
    fn settle(&self);
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

impl<D: Database> Engine<D> {
    /// Has `observer` told of every check from now on, for as long as somebody holds it; there is one at a time.
    pub fn observe_checks(&self, observer: Weak<dyn CheckObserver<D::Snapshot>>) {
        self.checks.store(Some(Arc::new(observer)));
    }

    /// Returns when the observer has dealt with every check that was answered before.
    pub fn settle_checks(&self) {
        if let Some(observer) = self.check_observer() {
            observer.settle();
        }
    }

    /// Tells the observer of a check, if there is one that wants to know.
    pub(super) fn decided(
        &self,
        store: StoreId,
        (snapshot, model, at): (&D::Snapshot, &Arc<CompiledModel>, Instant),
        check: &CheckRequest,
        contextual_tuples: &[ContextualTuple],
        allowed: bool,
    ) {
        if let Some(observer) = self.check_observer().filter(|observer| observer.wants(check)) {
            observer.checked(DecidedCheck {
                asked: in_one_piece(check),
                contextual_tuples: contextual_tuples.into(),
                allowed,
                moment: self.moment_of(store, snapshot, model, at),
            });
        }
    }

    fn check_observer(&self) -> Option<Arc<dyn CheckObserver<D::Snapshot>>> {
        self.checks.load().as_ref().and_then(|observer| observer.upgrade())
    }
}
