//! R51: what an upgrade takes, what it refuses, and that nothing comes between.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::json;

use super::super::CommandError;
use super::super::command::{CommandRecord, JOURNAL_OF_COMMANDS};
use super::super::documents::{CooperationDocument, Document};
use super::super::names::EntityId;
use super::super::pinned::COOPERATION_MODEL;
use super::super::test_world::{World, key};
use super::*;
use crate::engine::WriteRequest;
use crate::model::Revision;
use crate::schema;
use crate::store::memory::MemoryDatabase;
use crate::store::{Batch, CommitError, DocumentChange, Field, OnDuplicate, Write};

/// The model as it may have been before: without a relation that it has now, with some that it has not.
fn older() -> String {
    let audit = "    # R48: who has and who had access.\n    define can_audit: admin from owner\n";
    let lacking = COOPERATION_MODEL.replacen(audit, "", 1);
    assert_ne!(lacking, COOPERATION_MODEL);
    let owner = "type park\n  relations\n    define owner: [organization]\n";
    let more =
        "type park\n  relations\n    define owner: [organization, user]\n    define guest: [user, user:*]\n";
    let different = lacking.replacen(owner, more, 1);
    assert_ne!(different, lacking);
    format!("{different}\ntype meter\n  relations\n    define reader: [user]\n")
}

/// A store under the older model, with what the test world has.
struct Older {
    world: World,
    cooperations: Cooperations<MemoryDatabase>,
}

impl Older {
    fn new() -> Self {
        let world = World::new();
        // Commands give one grant each; the world of the tests has somebody with two.
        world.delete("park:heide#asset_manager_grant@user:mina");
        world.engine.write_model(world.store, schema::parse(&older()).unwrap()).unwrap();
        let cooperations = Cooperations::new(Arc::clone(&world.engine));
        Self { world, cooperations }
    }

    fn write(&self, tuple: &str) {
        self.world.write(tuple, Field::Absent, false);
    }

    fn upgrade(&self) -> Outcome<Done<Upgraded>> {
        self.cooperations.upgrade(self.world.store, &request(Actor::System))
    }

    /// What it lists as wrong.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        refusal(self.upgrade(), Code::DataDoesNotFit).problems.into()
    }

    /// The newest model and the revision.
    fn state(&self) -> (Option<ModelId>, Revision) {
        let snapshot = self.world.engine.database().snapshot(self.world.store).unwrap().unwrap();
        (snapshot.newest_model(), snapshot.revision())
    }

    /// Has the store hold a cooperation as one that commands have made.
    fn holds_cooperations(&self) {
        let key = CooperationDocument::key(&["upkeep"]);
        let value = serde_json::to_vec(&CooperationDocument::default()).unwrap();
        let documents = vec![DocumentChange { key, value: Some(value.into()) }];
        self.world.engine.commit(self.world.store, Batch { documents, ..Batch::default() }).unwrap();
    }

    /// The commands that were recorded, with what they were refused as.
    fn recorded(&self) -> Vec<(String, Option<String>)> {
        let snapshot = self.world.engine.database().snapshot(self.world.store).unwrap().unwrap();
        let mut found = Vec::new();
        let visit = &mut |entry: crate::store::JournalEntry| {
            let record: CommandRecord = serde_json::from_slice(&entry.value).unwrap();
            found.push((record.command.into(), record.refused.map(Into::into)));
            ControlFlow::Continue(())
        };
        snapshot.journal(JOURNAL_OF_COMMANDS, None, visit).unwrap();
        found
    }
}

fn request(actor: Actor) -> Request {
    Request { actor, command: "platform.upgrade", target: "platform/upgrade".into(), input: json!({}) }
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(outcome: Outcome<T>, code: Code) -> Refusal {
    match outcome {
        Err(CommandError::Refused(refusal)) if refusal.code == code => refusal,
        other => panic!("{other:?}"),
    }
}

fn raw(tuple: &str, model: Option<ModelId>) -> WriteRequest {
    let write = Write {
        key: key(tuple),
        condition: Field::Absent,
        expires_at: Field::Absent,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    WriteRequest { writes: vec![write], model, ..WriteRequest::default() }
}

#[test]
fn r51_an_upgrade_is_one_commit_and_the_commands_work_behind_it() {
    let store = Older::new();
    let id = store.world.store;
    let asks = || store.cooperations.query(id, &Actor::System, |_| Ok(()));
    refusal(asks(), Code::ModelMissing);
    let before = store.state();
    let done = store.upgrade().unwrap();
    assert!(done.value.upgraded && done.value.tuples > 20, "{done:?}");
    assert_eq!(store.state(), (Some(done.value.model), before.1.next()));
    assert_eq!(done.revision, before.1.next());
    assert_ne!(before.0, Some(done.value.model));
    asks().unwrap();

    let again = store.upgrade().unwrap();
    assert_eq!(again.value, Upgraded { model: done.value.model, upgraded: false, tuples: 0 });
    assert_eq!((again.revision, store.state().1), (done.revision, done.revision), "nothing is written");
    assert_eq!(store.recorded(), vec![("platform.upgrade".to_owned(), None); 2]);
}

#[test]
fn r51_tuples_that_the_newest_model_does_not_allow_are_listed_and_nothing_changes() {
    let store = Older::new();
    store.write("meter:m#reader@user:nils");
    store.write("park:deich#guest@user:olga");
    store.write("park:deich#guest@user:*");
    store.write("park:new#owner@user:nora");
    let before = store.state();
    let told = refusal(store.upgrade(), Code::DataDoesNotFit);
    assert_eq!(told.rule, Some("R51"));
    assert_eq!(
        *told.problems,
        [
            "`meter:m#reader@user:nils`: type 'meter' not found",
            "`park:deich#guest@user:olga`: relation 'park#guest' not found",
            "`park:deich#guest@user:*`: relation 'park#guest' not found",
            "`park:new#owner@user:nora`: type 'user' is not an allowed type restriction for 'park#owner'",
        ]
    );
    assert_eq!(store.state(), before);
    assert_eq!(store.recorded(), [("platform.upgrade".to_owned(), Some("data_does_not_fit".to_owned()))]);
    for tuple in ["meter:m#reader@user:nils", "park:deich#guest@user:olga", "park:deich#guest@user:*"] {
        store.world.delete(tuple);
    }
    assert_eq!(store.problems().len(), 1);
    store.world.delete("park:new#owner@user:nora");
    assert!(store.upgrade().unwrap().value.upgraded);
}

#[test]
fn r51_data_that_breaks_a_rule_is_listed() {
    for (tuples, problem) in [
        (
            &["organization:kestrel#external@user:nils"][..],
            "`user:nils` has more than one membership, one of them in `organization:kestrel` (R1)",
        ),
        (
            &["organization:nordwind#admin@user:nils"],
            "`user:nils` has more than one membership, one of them in `organization:nordwind` (R1)",
        ),
        (
            &["cooperation:half#initiator@organization:helios"],
            "`cooperation:half` does not have the tuples of a cooperation (R15)",
        ),
        (
            &["cooperation:upkeep#pending@organization:nordwind"],
            "`cooperation:upkeep` does not have the tuples of a cooperation (R15)",
        ),
        (&["park:deich#owner@organization:nordwind"], "`park:deich` has more than one owner (R9)"),
        (&["park:elster#portfolio@portfolio:west"], "`park:elster` has more than one portfolio (R9)"),
        (
            &["park:heide#viewer_grant@user:nora", "park:heide#operator_grant@user:nora"],
            "`park:heide` has more than one grant to `user:nora` (R12)",
        ),
        (
            &["park:deich#viewer_share@cooperation:upkeep"],
            "`park:deich` has more than one share in `cooperation:upkeep` (R31)",
        ),
        (
            &["park:deich#viewer_delegate@user:nils"],
            "`park:deich` has more than one delegation to `user:nils` (R36)",
        ),
    ] {
        let store = Older::new();
        for tuple in tuples {
            store.write(tuple);
        }
        assert_eq!(store.problems(), [problem]);
    }
}

#[test]
fn r51_what_is_wrong_is_listed_up_to_a_limit() {
    let store = Older::new();
    for meter in 0..UPGRADE_PROBLEMS_MAX + 5 {
        store.write(&format!("meter:{meter}#reader@user:nils"));
    }
    assert_eq!(store.problems().len(), UPGRADE_PROBLEMS_MAX);
}

#[test]
fn r51_a_write_that_comes_between_the_check_and_the_commit_is_checked_too() {
    let store = Older::new();
    let tries = Cell::new(0);
    let outcome = store.cooperations.run(
        store.world.store,
        &request(Actor::System),
        |_| Ok(()),
        |work| {
            let decided = store.cooperations.decide_upgrade(work);
            if tries.replace(tries.get() + 1) == 0 {
                assert!(decided.is_ok());
                store.write("park:deich#guest@user:olga");
            }
            decided
        },
    );
    assert_eq!(refusal(outcome, Code::DataDoesNotFit).problems.len(), 1);
    assert_eq!(tries.get(), 2);
}

#[test]
fn r51_a_raw_write_that_was_checked_against_the_model_before_is_not_committed_under_the_next() {
    let store = Older::new();
    store.holds_cooperations();
    let id = store.world.store;
    let (old, _) = store.state();
    let checked = store.cooperations.recorded(id, raw("park:deich#guest@user:olga", None), true).unwrap();
    // As if it stood in the queue of the writer meanwhile.
    let waiting =
        Batch { writes: checked.writes.clone(), under_model: checked.newest_model, ..Batch::default() };
    store.upgrade().unwrap();
    let late = store.world.engine.commit(id, waiting);
    assert!(matches!(late, Err(EngineError::Commit(CommitError::Conflict))), "{late:?}");
    // Nor may one name the model that was.
    let named = store.cooperations.recorded(id, raw("park:deich#guest@user:olga", old), true).unwrap();
    let refused = store.world.engine.write(id, named);
    assert!(matches!(refused, Err(EngineError::InvalidTuple { .. })), "{refused:?}");
    let unknown = ModelId::from_bits(1);
    let named =
        store.cooperations.recorded(id, raw("park:deich#viewer_grant@user:mina", Some(unknown)), true);
    assert!(matches!(named, Err(CommandError::Engine(EngineError::ModelNotFound { .. }))), "{named:?}");
}

#[test]
fn r51_a_model_that_was_let_through_loses_against_the_first_cooperation() {
    let World { engine, .. } = World::new();
    let store = engine.create_store("empty").unwrap().id;
    let cooperations = Cooperations::new(Arc::clone(&engine));
    let pinned = schema::parse(COOPERATION_MODEL).unwrap();
    let weaker = schema::parse(&older()).unwrap();
    let batch = || cooperations.model_batch(store, &weaker, false);
    let late = |batch| {
        let outcome = engine.commit(store, batch);
        assert!(matches!(outcome, Err(EngineError::Commit(CommitError::Conflict))), "{outcome:?}");
    };
    let first = batch().unwrap();
    engine.write_model(store, pinned).unwrap();
    late(first);
    let second = batch().unwrap();
    // Other tuples do not matter to it.
    engine.write(store, raw("organization:helios#admin@user:hanna", None)).unwrap();
    let third = batch().unwrap();
    engine.write(store, raw("cooperation:first#initiator@organization:helios", None)).unwrap();
    late(second);
    late(third);
    refusal(batch(), Code::Forbidden);
    refusal(cooperations.model_batch(store, &weaker, true), Code::ModelPinned);
}

#[test]
fn r51_a_raw_write_under_another_model_loses_against_the_model_of_the_cooperations() {
    let World { engine, .. } = World::new();
    let store = engine.create_store("empty").unwrap().id;
    let cooperations = Cooperations::new(Arc::clone(&engine));
    let other =
        schema::parse("model\n  schema 1.1\ntype user\ntype park\n  relations\n    define viewer: [user]\n");
    let other = engine.write_model(store, other.unwrap()).unwrap().model;
    let write = |model| cooperations.recorded(store, raw("park:p#viewer@user:a", model), false).unwrap();
    // Whichever model it names.
    let waiting = [write(None), write(other)];
    assert!(engine.write(store, write(None)).is_ok(), "as long as there is no other model");
    engine.write_model(store, schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
    engine.write(store, raw("cooperation:first#initiator@organization:helios", None)).unwrap();
    let [unnamed, named] = waiting.map(|late| engine.write(store, WriteRequest { model: other, ..late }));
    for outcome in [unnamed, named] {
        assert!(matches!(outcome, Err(EngineError::Commit(CommitError::Conflict))), "{outcome:?}");
    }
}

#[test]
fn r51_a_raw_write_that_was_let_through_loses_against_the_first_cooperation() {
    let World { engine, .. } = World::new();
    let store = engine.create_store("empty").unwrap().id;
    engine.write_model(store, schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
    let cooperations = Cooperations::new(Arc::clone(&engine));
    let write = |tuple: &str| cooperations.recorded(store, raw(tuple, None), false);
    let waiting = write("organization:nordwind#admin@user:olga").unwrap();
    assert!(waiting.journals.is_empty(), "it holds none yet");
    // Other tuples do not matter to it.
    engine.write(store, write("organization:helios#admin@user:hanna").unwrap()).unwrap();
    engine.write(store, raw("cooperation:first#initiator@organization:helios", None)).unwrap();
    let late = engine.write(store, waiting);
    assert!(matches!(late, Err(EngineError::Commit(CommitError::Conflict))), "{late:?}");
    let again = write("organization:nordwind#admin@user:olga");
    assert!(
        matches!(&again, Err(CommandError::Refused(refusal)) if refusal.code == Code::Forbidden),
        "{again:?}"
    );
}

#[test]
fn r51_a_store_that_holds_cooperations_takes_no_model_past_the_upgrade_whatever_it_has() {
    let store = Older::new();
    store.holds_cooperations();
    for text in [older().as_str(), COOPERATION_MODEL] {
        let model = schema::parse(text).unwrap();
        refusal(store.cooperations.write_model(store.world.store, model, true), Code::ModelPinned);
    }
    assert!(store.upgrade().unwrap().value.upgraded);
}

#[test]
fn r51_only_the_system_and_platform_staff_upgrade() {
    let store = Older::new();
    let as_user = |id: &str| {
        let actor = Actor::User(EntityId::parse("user", id).unwrap());
        store.cooperations.upgrade(store.world.store, &request(actor))
    };
    store.write("platform:main#staff@user:stella");
    refusal(as_user("hanna"), Code::Forbidden);
    assert!(as_user("stella").unwrap().value.upgraded);

    // A model that knows of no staff lets no user in, and the system.
    let foreign = "model\n  schema 1.1\ntype user\n";
    let id = store.world.engine.create_store("foreign").unwrap().id;
    store.world.engine.write_model(id, schema::parse(foreign).unwrap()).unwrap();
    let stella = Actor::User(EntityId::parse("user", "stella").unwrap());
    refusal(store.cooperations.upgrade(id, &request(stella)), Code::Forbidden);
    assert!(store.cooperations.upgrade(id, &request(Actor::System)).unwrap().value.upgraded);
    let none = store.world.engine.create_store("none").unwrap().id;
    refusal(store.cooperations.upgrade(none, &request(Actor::System)), Code::ModelMissing);
}
