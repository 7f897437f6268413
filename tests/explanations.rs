//! Every decision of our store files, explained: the explanation says what was decided, and whatever it offers to turn a
//! denial does so when it is written, and nothing less of it does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenure::cli::store_file::{CheckAssertion, ModelSource, StoreFile, StoreTest, StoreTuple};
use tenure::engine::{CheckRequest, Engine, ExplainRequest, QueryContext, WriteRequest};
use tenure::eval::explain::{Change, ChangeKind, Explanation, Verdict};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{AuthorizationModel, Clock, Instant, Lifetime, StoreId, TupleKey};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::{Field, OnDuplicate, Write};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The instant of a test.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Instant {
        self.0
    }
}

/// A store with the tuples of a test, some of them changed.
struct World {
    engine: Engine<MemoryDatabase>,
    store: StoreId,
}

impl World {
    fn new(model: &AuthorizationModel, tuples: &BTreeMap<TupleKey, Lifetime>, at: Instant) -> Self {
        let engine = Engine::new(MemoryDatabase::new(Arc::new(Still(at))), EvaluationLimits::default());
        let store = engine.create_store("explanations").unwrap().id;
        engine.write_model(store, model.clone()).unwrap();
        let write = |(key, lifetime): (&TupleKey, &Lifetime)| Write {
            key: key.clone(),
            condition: Field::Absent,
            expires_at: lifetime.expires_at.map_or(Field::Absent, Field::Set),
            paused: Field::Set(lifetime.paused),
            on_duplicate: OnDuplicate::Error,
        };
        let request = WriteRequest { writes: tuples.iter().map(write).collect(), ..WriteRequest::default() };
        engine.write(store, request).unwrap();
        Self { engine, store }
    }

    fn allows(&self, check: &CheckRequest) -> bool {
        self.engine.check(self.store, &QueryContext::default(), check).unwrap().value.allowed
    }

    fn explain(&self, check: &CheckRequest, at: Option<Instant>) -> Explanation {
        let request = ExplainRequest { check: check.clone(), at };
        self.engine.explain(self.store, &QueryContext::default(), &request).unwrap().0.value
    }
}

fn changed(tuples: &BTreeMap<TupleKey, Lifetime>, changes: &[&Change]) -> BTreeMap<TupleKey, Lifetime> {
    let mut tuples = tuples.clone();
    for Change { kind, key, .. } in changes {
        match kind {
            ChangeKind::Resume => tuples.get_mut(key).unwrap().paused = false,
            ChangeKind::Renew => tuples.get_mut(key).unwrap().expires_at = None,
            ChangeKind::Remove => drop(tuples.remove(key).unwrap()),
            ChangeKind::RaiseCeiling | ChangeKind::Add => {
                assert!(tuples.insert(key.clone(), Lifetime::default()).is_none(), "{key} is there");
            }
        }
    }
    tuples
}

/// What was explained of a file.
#[derive(Debug, Default)]
struct Explained {
    assertions: usize,
    reasons: BTreeMap<&'static str, usize>,
}

impl Explained {
    fn file(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let no_files = |path: &Path| -> Result<Vec<StoreTuple>, String> { panic!("{}", path.display()) };
        let file = StoreFile::parse(path, &text, &no_files).unwrap();
        let source = match &file.model {
            ModelSource::Inline(text) => text.clone(),
            ModelSource::File(path) => fs::read_to_string(path).unwrap(),
        };
        let model = schema::parse(&source).unwrap_or_else(|errors| panic!("{}", errors.render("", false)));
        for test in &file.tests {
            let tuples = file.tuples_of(test).map(|tuple| (tuple.key.clone(), tuple.lifetime)).collect();
            self.test(&model, test, &tuples);
        }
    }

    fn test(&mut self, model: &AuthorizationModel, test: &StoreTest, tuples: &BTreeMap<TupleKey, Lifetime>) {
        let at = test.at.unwrap_or(Instant::MIN);
        let world = World::new(model, tuples, at);
        for CheckAssertion { subject, relation, object, expected, .. } in &test.checks {
            let check =
                CheckRequest { object: object.clone(), relation: relation.clone(), subject: subject.clone() };
            let explanation = world.explain(&check, None);
            let say = || format!("{}: {object}#{relation}@{subject}: {explanation:#?}", test.name);
            assert_eq!(explanation.allowed, *expected, "{}", say());
            assert_eq!(explanation.tree.verdict == Verdict::True, *expected, "{}", say());
            assert_eq!(explanation.allowed, explanation.reasons.is_empty() && *expected, "{}", say());
            assert_eq!(explanation.incomplete, Default::default(), "{}", say());
            let change = explanation.ends_at.or(explanation.begins_at);
            if let Some(change) = change {
                let before = Instant::from_unix_micros(change.unix_micros() - 1).unwrap();
                assert_eq!(world.explain(&check, Some(before)).allowed, *expected, "{}", say());
                assert_eq!(world.explain(&check, Some(change)).allowed, !*expected, "{}", say());
            }
            self.assertions += 1;
            for reason in &explanation.reasons {
                let whole = (1_u32 << reason.changes.len()) - 1;
                for part in 1..=whole {
                    let of = |(index, change)| (part >> index & 1 == 1).then_some(change);
                    let changes: Vec<_> = reason.changes.iter().enumerate().filter_map(of).collect();
                    let allows = World::new(model, &changed(tuples, &changes), at).allows(&check);
                    assert_eq!(allows, part == whole, "{changes:#?} of {}", say());
                }
                for change in &reason.changes {
                    let kind = match change.kind {
                        ChangeKind::Resume => "resume",
                        ChangeKind::Renew => "renew",
                        ChangeKind::RaiseCeiling => "raise_ceiling",
                        ChangeKind::Remove => "remove",
                        ChangeKind::Add => "add",
                    };
                    *self.reasons.entry(kind).or_default() += 1;
                }
            }
        }
    }
}

#[test]
fn the_decisions_of_the_cooperation_rules_are_explained() {
    let mut explained = Explained::default();
    explained.file(&root().join("schema/cooperation.fga.yaml"));
    println!("{explained:?}");
    assert!(explained.assertions > 500, "{explained:?}");
    for kind in ["resume", "renew", "raise_ceiling", "remove", "add"] {
        assert!(explained.reasons.contains_key(kind), "no reason of the kind {kind}: {explained:?}");
    }
}

#[test]
fn the_decisions_of_the_corpus_are_explained() {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("tests/corpus")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut explained = Explained::default();
    paths.iter().for_each(|path| explained.file(path));
    assert!(explained.assertions > 50, "{explained:?}");
}

/// The example's world, with tuples in the place of those with the same keys.
fn example(changes: &[(&str, &str, &str, Lifetime)], at: Instant) -> World {
    let path = root().join("schema/cooperation.fga.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let no_files = |_: &Path| -> Result<Vec<StoreTuple>, String> { Err("no files".to_owned()) };
    let file = StoreFile::parse(&path, &text, &no_files).unwrap();
    let model = schema::parse(&fs::read_to_string(root().join("schema/cooperation.fga")).unwrap()).unwrap();
    let mut tuples: BTreeMap<_, _> =
        file.tuples.iter().map(|tuple| (tuple.key.clone(), tuple.lifetime)).collect();
    for (object, relation, subject, lifetime) in changes {
        tuples.insert(TupleKey::parse(object, relation, subject).unwrap(), *lifetime);
    }
    World::new(&model, &tuples, at)
}

/// The nearest reason why `subject` is denied `relation` on `object`.
fn nearest(world: &World, subject: &str, relation: &str, object: &str) -> String {
    let key = TupleKey::parse(object, relation, subject).unwrap();
    let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
    let explanation = world.explain(&check, None);
    let describe = |change: &Change| match &change.ceiling {
        Some(ceiling) => format!("{:?} {} above {}", change.kind, change.key, ceiling.relation),
        None => format!("{:?} {}", change.kind, change.key),
    };
    let reason = explanation.reasons.first().unwrap();
    reason.changes.iter().map(describe).collect::<Vec<_>>().join(" + ")
}

#[test]
fn what_support_is_asked_about_cooperations_has_its_reason_first() {
    let at: Instant = "2027-01-31T12:00:00Z".parse().unwrap();
    let always = Lifetime::default();
    let paused = Lifetime { paused: true, ..always };
    let expired = Lifetime { expires_at: Some(at), ..always };

    let world = example(&[("cooperation:upkeep", "partner", "organization:nordwind", paused)], at);
    let resume = "Resume cooperation:upkeep#partner@organization:nordwind";
    assert_eq!(nearest(&world, "user:nils", "technical_manager", "park:deich"), resume);
    assert_eq!(nearest(&world, "user:nora", "viewer", "park:deich"), resume);

    let world = example(&[("park:deich", "technical_manager_share", "cooperation:upkeep", expired)], at);
    let renew = "Renew park:deich#technical_manager_share@cooperation:upkeep";
    assert_eq!(nearest(&world, "user:nora", "technical_manager", "park:deich"), renew);

    let world = example(
        &[
            ("park:heide", "viewer_share", "cooperation:upkeep", always),
            ("park:heide", "technical_manager_delegate", "user:nils", always),
        ],
        at,
    );
    let raise = "RaiseCeiling park:heide#technical_manager_share@cooperation:upkeep above viewer_share";
    assert_eq!(nearest(&world, "user:nora", "technical_manager", "park:heide"), raise);
    assert_eq!(nearest(&world, "user:nils", "technical_manager", "park:heide"), raise);

    let world = example(&[], at);
    let delegate = "Add park:deich#viewer_delegate@user:olaf";
    assert_eq!(nearest(&world, "user:olaf", "viewer", "park:deich"), delegate);
    let raise = "RaiseCeiling park:deich#technical_manager_delegate@user:tjark above viewer_delegate";
    assert_eq!(nearest(&world, "user:tjark", "technical_manager", "park:deich"), raise);
    let share = nearest(&world, "user:nora", "viewer", "park:heide");
    assert!(share.starts_with("Add park:heide#") && share.ends_with("_share@cooperation:upkeep"), "{share}");

    let world = example(&[("organization:nordwind", "member", "user:nils", paused)], at);
    let resume = "Resume organization:nordwind#member@user:nils";
    assert_eq!(nearest(&world, "user:nils", "technical_manager", "park:deich"), resume);

    let world = example(
        &[
            ("organization:nordwind", "member", "user:nils", Lifetime { paused: true, expires_at: Some(at) }),
            ("cooperation:upkeep", "partner", "organization:nordwind", paused),
            ("park:deich", "technical_manager_delegate", "user:nils", expired),
        ],
        at,
    );
    assert_eq!(
        nearest(&world, "user:nils", "technical_manager", "park:deich"),
        "Renew park:deich#technical_manager_delegate@user:nils + \
         Resume cooperation:upkeep#partner@organization:nordwind + \
         Resume organization:nordwind#member@user:nils + Renew organization:nordwind#member@user:nils"
    );

    // R13: an external is no insider, whatever was delegated.
    let world = example(&[("park:deich", "technical_manager_delegate", "user:erik", always)], at);
    let insider = nearest(&world, "user:erik", "technical_manager", "park:deich");
    assert!(
        insider.starts_with("RaiseCeiling organization:nordwind#")
            && insider.ends_with("@user:erik above external")
    );

    // R50: while the portfolio is shared, whoever may create parks does not move them.
    assert!(
        nearest(&example(&[], at), "user:moritz", "can_change_parks", "portfolio:lausitz")
            .starts_with("Remove ")
    );
}

#[test]
fn access_really_ends_where_the_last_path_does() {
    let at: Instant = "2027-01-01T00:00:00Z".parse().unwrap();
    let until = |text: &str| Lifetime { expires_at: Some(text.parse().unwrap()), paused: false };
    let world = example(
        &[
            ("cooperation:upkeep", "partner", "organization:nordwind", until("2027-09-30T22:00:00Z")),
            ("park:deich", "technical_manager_share", "cooperation:upkeep", until("2027-08-31T22:00:00Z")),
            ("park:deich", "technical_manager_delegate", "user:nils", until("2027-07-31T22:00:00Z")),
            ("park:deich", "viewer_delegate", "user:nils", until("2028-07-31T22:00:00Z")),
        ],
        at,
    );
    let ends = |relation: &str| {
        let key = TupleKey::parse("park:deich", relation, "user:nils").unwrap();
        let check = CheckRequest { object: key.object, relation: key.relation, subject: key.subject };
        world.explain(&check, None).ends_at.map(|end| end.to_string())
    };
    assert_eq!(ends("technical_manager").as_deref(), Some("2027-07-31T22:00:00Z"));
    assert_eq!(ends("viewer").as_deref(), Some("2027-08-31T22:00:00Z"));
}
