//! Assertions beside models.

use super::*;
use crate::model::AssertedTuple;

on_both!(
    a_model_has_the_assertions_that_were_written_last,
    writing_assertions_is_a_commit_that_no_reader_of_changes_sees,
    assertions_come_back_with_everything_that_was_given,
    assertions_go_with_their_store,
);

const A: &str = "document:1#viewer@user:a";
const B: &str = "document:1#viewer@user:b";

fn a_model_has_the_assertions_that_were_written_last<D: Database>(bench: &Bench<D>) {
    let models = ["one", "two"].map(|name| bench.commit(with_model(name)).unwrap().model.unwrap());
    let of = |snapshot: &D::Snapshot, n: usize| snapshot.assertions(models[n]).unwrap();
    assert!(of(&bench.snapshot(), 0).is_empty(), "nobody has written any");
    bench.commit(asserting(models[0], &[A, B])).unwrap();
    let earlier = bench.snapshot();
    bench.commit(asserting(models[0], &[B])).unwrap();
    bench.commit(asserting(models[1], &[A])).unwrap();
    assert_eq!(of(&bench.snapshot(), 0), allowed(&[B]), "in the place of the others");
    assert_eq!(of(&bench.snapshot(), 1), allowed(&[A]), "each model has its own");
    assert_eq!((of(&earlier, 0), of(&earlier, 1)), (allowed(&[A, B]), Vec::new()), "a snapshot stands still");
    bench.commit(asserting(models[0], &[])).unwrap();
    assert!(of(&bench.snapshot(), 0).is_empty());
    assert_eq!(of(&bench.snapshot(), 1).len(), 1);
}

fn writing_assertions_is_a_commit_that_no_reader_of_changes_sees<D: Database>(bench: &Bench<D>) {
    let model = bench.commit(with_model("one")).unwrap().model.unwrap();
    bench.clock.advance(5);
    let committed = bench.commit(asserting(model, &[A])).unwrap();
    assert_eq!(committed, Committed { revision: Revision(2), at: bench.now(), model: None });
    assert_eq!(bench.snapshot().revision(), Revision(2));
    assert_eq!(bench.snapshot().newest_model(), Some(model));
    assert!(changes(&bench.snapshot(), LogPosition::default()).is_empty());
    assert!(bench.tuples().is_empty());
}

fn assertions_come_back_with_everything_that_was_given<D: Database>(bench: &Bench<D>) {
    let model = bench.commit(with_model("one")).unwrap().model.unwrap();
    let lifetime = Lifetime { expires_at: Some(bench.now()), paused: true };
    let contextual = AssertedTuple { key: key(B), lifetime, condition: Some(condition("c")) };
    let assertion = Assertion {
        key: key(A),
        expected: false,
        contextual_tuples: vec![contextual],
        context: Some("{\"a\":1}".into()),
    };
    let batch = Batch { assertions: Some((model, vec![assertion.clone()])), ..writes(&[A]) };
    assert_eq!(bench.commit(batch).unwrap().revision, Revision(2), "with tuples in one commit");
    assert_eq!(bench.snapshot().assertions(model).unwrap(), [assertion]);
    assert_eq!(bench.tuples(), [A]);
}

fn assertions_go_with_their_store<D: Database>(bench: &Bench<D>) {
    let model = bench.commit(with_model("one")).unwrap().model.unwrap();
    let other = bench.db.create_store("other").unwrap().id;
    for store in [bench.store, other] {
        bench.db.commit(store, asserting(model, &[A])).unwrap();
    }
    assert!(bench.db.delete_store(other).unwrap());
    assert!(bench.db.snapshot(other).unwrap().is_none());
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.assertions(model).unwrap(), allowed(&[A]), "those of the neighbour stay");
}
