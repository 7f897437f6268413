//! Conditions by example: which tuples count, and what is told where one cannot be evaluated.

use std::sync::Arc;

use serde_json::json;
use tenure::cel::Context;
use tenure::engine::{CheckRequest, Engine, EngineError, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{StoreId, SystemClock, TupleCondition, TupleKey};
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

struct Bench {
    engine: Engine<MemoryDatabase>,
    store: StoreId,
}

impl Bench {
    fn new(limits: EvaluationLimits) -> Self {
        let engine = Engine::new(MemoryDatabase::new(Arc::new(SystemClock)), limits);
        let store = engine.create_store("conditions").unwrap().id;
        Self { engine, store }
    }

    fn model(&self, text: &str) {
        self.engine.write_model(self.store, tenure::schema::parse(text).unwrap()).unwrap();
    }

    fn write(&self, object: &str, relation: &str, subject: &str, condition: Option<(&str, &str)>) {
        let condition = condition
            .map(|(name, context)| TupleCondition { name: name.into(), context: context.into() })
            .map_or(Field::Absent, Field::Set);
        let write = Write {
            key: TupleKey::parse(object, relation, subject).unwrap(),
            condition,
            expires_at: Field::Absent,
            paused: Field::Absent,
            on_duplicate: OnDuplicate::Error,
        };
        let request = WriteRequest { writes: vec![write], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    fn check(&self, question: [&str; 3], context: serde_json::Value) -> Result<bool, EngineError> {
        let [object, relation, subject] = question;
        let key = TupleKey::parse(object, relation, subject).unwrap();
        let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
        let context: Context = serde_json::from_value(context).unwrap();
        let context = QueryContext { context, ..QueryContext::default() };
        self.engine.check(self.store, &context, &check).map(|answer| answer.value.allowed)
    }
}

fn quota(parameters: &str, expression: &str) -> String {
    format!(
        "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user with quota]\n\
         condition quota({parameters}) {{\n  {expression}\n}}\n"
    )
}

/// What a tuple was restricted by must not be lost by a parameter's getting another name.
#[test]
fn a_stored_context_that_a_newer_condition_does_not_know_never_counts() {
    let bench = Bench::new(EvaluationLimits::default());
    let ask = |context| bench.check(["doc:1", "viewer", "user:ann"], context).unwrap();
    bench.model(&quota("used: int, max: int", "used < max"));
    bench.write("doc:1", "viewer", "user:ann", Some(("quota", r#"{"max":3}"#)));
    assert!(ask(json!({ "used": 2 })));
    assert!(!ask(json!({ "used": 50, "max": 100 })), "the tuple's own value goes before the request's");
    bench.model(&quota("used: int, limit: int", "used < limit"));
    assert!(!ask(json!({ "used": 50, "limit": 100 })));
    bench.model(&quota("used: int", "used < 100"));
    assert!(!ask(json!({ "used": 50 })));
    bench.model(&quota("used: int, max: string", "used < size(max)"));
    assert!(!ask(json!({ "used": 0 })), "a value of another type");
}

/// Whether one that fails is met does not depend on which side the walk goes from.
#[test]
fn a_failure_is_told_from_either_side() {
    for narrow_entries in [1, 1000] {
        let bench = Bench::new(EvaluationLimits { narrow_entries, ..EvaluationLimits::default() });
        bench.model(
            "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user]\ntype doc\n  relations\n    \
             define viewer: [group#member with open]\ncondition open(x: bool) {\n  x\n}\n",
        );
        for number in 0..20 {
            let group = format!("group:{number:02}");
            bench.write("doc:1", "viewer", &format!("{group}#member"), Some(("open", "{}")));
        }
        bench.write("group:19", "member", "user:ann", None);
        let ask = |subject, context| bench.check(["doc:1", "viewer", subject], context);
        let told = ask("user:ann", json!({})).unwrap_err().to_string();
        assert!(told.contains("is missing context parameters '[x]'"), "{told}");
        assert!(ask("user:bob", json!({})).is_err());
        assert!(ask("user:ann", json!({ "x": true })).unwrap());
        assert!(!ask("user:bob", json!({ "x": true })).unwrap());
        assert!(!ask("user:ann", json!({ "x": false })).unwrap());
    }
}
