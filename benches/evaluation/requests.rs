//! What surrounds a decision: a condition beside the same tuple without one, and a batch beside the same checks one by one.

use criterion::Criterion;
use serde_json::json;
use tenure::cli::workload::{COOPERATION_MODEL, Cooperation, Kind, Question, Skew};
use tenure::engine::{BatchCheckItem, CheckRequest, QueryContext, WriteRequest};
use tenure::model::limits::CHECKS_PER_BATCH_MAX;
use tenure::model::{Object, Subject, TupleCondition, TupleKey};
use tenure::store::{Field, OnDuplicate, Write};

use crate::alternate;
use crate::loaded::Loaded;

const CONDITIONS_MODEL: &str = r#"
model
  schema 1.1
type user
type document
  relations
    define viewer: [user, user with in_office]
condition in_office(hour: int, from: int, to: int, address: ipaddress) {
  hour >= from && hour < to && address.in_cidr("10.0.0.0/8")
}
"#;

/// A condition over two numbers of the tuple and two values of the request.
pub fn condition(criterion: &mut Criterion) {
    let loaded = Loaded::new(CONDITIONS_MODEL, std::iter::empty);
    let write = |object: &str, condition| Write {
        key: TupleKey::parse(object, "viewer", "user:ann").unwrap(),
        condition,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    let in_office = TupleCondition { name: "in_office".into(), context: r#"{"from":8,"to":18}"#.into() };
    let writes =
        vec![write("document:plain", Field::Absent), write("document:office", Field::Set(in_office))];
    loaded.engine.write(loaded.store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
    let context = json!({ "hour": 9, "address": "10.1.2.3" }).as_object().unwrap().clone();
    let context = QueryContext { context, ..QueryContext::default() };
    let ask = |object: &str| {
        let check = CheckRequest {
            object: Object::parse(object).unwrap(),
            relation: "viewer".into(),
            subject: Subject::parse("user:ann").unwrap(),
        };
        let answer = loaded.engine.check(loaded.store, &context, &check).unwrap();
        assert!(answer.value.allowed, "{object}");
    };
    let [with, without] = alternate::measure(1, [&|_| ask("document:office"), &|_| ask("document:plain")]);
    println!(
        "a condition: {:.2} times as long as the same check without one",
        alternate::quotient(&with, &without)
    );
    criterion.bench_function("a condition", |bencher| bencher.iter(|| ask("document:office")));
}

/// A batch of as many checks as one may have, half of them denied.
pub fn batch(criterion: &mut Criterion) {
    let cooperation = Cooperation::new(1, 1);
    let loaded = Loaded::new(COOPERATION_MODEL, || cooperation.tuples());
    let of = |kind| cooperation.questions(kind, Skew::Uniform, 1).take(CHECKS_PER_BATCH_MAX / 2);
    let questions: Vec<Question> = of(Kind::Admin).chain(of(Kind::Denial)).collect();
    let item = |question: &Question| BatchCheckItem {
        check: question.check.clone(),
        contextual_tuples: Vec::new(),
        context: QueryContext::default().context,
    };
    let items: Vec<_> = questions.iter().map(item).collect();
    let ask = || {
        let asked = loaded.engine.batch_check(loaded.store, &QueryContext::default(), &items);
        let (answer, _) = asked.unwrap();
        for (outcome, question) in answer.value.iter().zip(&questions) {
            assert_eq!(outcome.as_ref().unwrap().allowed, question.allowed, "{:?}", question.check);
        }
    };
    let one_by_one = || {
        for question in &questions {
            loaded.ask(question);
        }
    };
    let [batch, single] = alternate::measure(1, [&|_| ask(), &|_| one_by_one()]);
    println!(
        "a batch of {}: {:.2} times as long as its checks one by one",
        items.len(),
        alternate::quotient(&batch, &single)
    );
    criterion.bench_function("a batch of 50", |bencher| bencher.iter(ask));
}
