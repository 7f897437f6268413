//! A store with the model of the cooperations, in memory, for the tests of this part: Helios owns, Nordwind and Kestrel are its
//! partners.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::pinned::COOPERATION_MODEL;
use crate::engine::{CheckRequest, Engine, QueryContext, WriteRequest};
use crate::model::limits::EvaluationLimits;
use crate::model::{Clock, Instant, Object, Revision, StoreId, Subject, TupleKey};
use crate::schema;
use crate::store::memory::MemoryDatabase;
use crate::store::{Delete, Field, OnDuplicate, OnMissing, Write};

/// Members: `hanna` and `nora` and `kate` are admins; `mina`, `nils`, `kit` are members, `erik` is an external. Nordwind has the
/// park `deich` as technical manager, delegated to `nils`, as viewer to `erik`; Kestrel has the portfolio `lausitz` with the
/// park `elster` as asset manager, delegated to `kit` as viewer.
const TUPLES: &[&str] = &[
    "organization:helios#admin@user:hanna",
    "organization:helios#member@user:mina",
    "organization:nordwind#admin@user:nora",
    "organization:nordwind#member@user:nils",
    "organization:nordwind#external@user:erik",
    "organization:nordwind#member@user:olga",
    "organization:kestrel#admin@user:kate",
    "organization:kestrel#member@user:kit",
    "organization:zugspitze#admin@user:xaver",
    "portfolio:lausitz#owner@organization:helios",
    "park:elster#owner@organization:helios",
    "park:elster#portfolio@portfolio:lausitz",
    "park:deich#owner@organization:helios",
    "park:heide#owner@organization:helios",
    "park:heide#technical_manager_grant@user:mina",
    "park:heide#asset_manager_grant@user:mina",
    "cooperation:upkeep#initiator@organization:helios",
    "cooperation:upkeep#linked@organization:nordwind",
    "cooperation:upkeep#partner@organization:nordwind",
    "park:deich#technical_manager_share@cooperation:upkeep",
    "park:deich#technical_manager_delegate@user:nils",
    "park:deich#viewer_delegate@user:erik",
    "cooperation:money#initiator@organization:helios",
    "cooperation:money#linked@organization:kestrel",
    "cooperation:money#partner@organization:kestrel",
    "portfolio:lausitz#asset_manager_share@cooperation:money",
    "portfolio:lausitz#viewer_delegate@user:kit",
];

/// A clock that is set by hand.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Instant {
        Instant::from_unix_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(super) struct World {
    pub(super) engine: Arc<Engine<MemoryDatabase>>,
    pub(super) store: StoreId,
    clock: Arc<HandClock>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_decision_cache(1 << 20)
    }

    /// A world whose decisions are kept in so many bytes; 0 for none.
    pub(super) fn with_decision_cache(bytes: usize) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(instant("2027-01-01T00:00:00Z").unix_micros())));
        let database = MemoryDatabase::new(clock.clone());
        let engine = Engine::new(database, EvaluationLimits::default()).with_decision_cache(bytes);
        let engine = Arc::new(engine);
        let store = engine.create_store("cooperations").unwrap().id;
        engine.write_model(store, schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
        let world = Self { engine, store, clock };
        for tuple in TUPLES {
            world.write(tuple, Field::Absent, false);
        }
        world
    }

    pub(super) fn set_clock(&self, to: &str) {
        self.clock.0.store(instant(to).unix_micros(), Ordering::SeqCst);
    }

    /// Writes a tuple, or changes it.
    pub(super) fn write(&self, tuple: &str, expires_at: Field<Instant>, paused: bool) -> Revision {
        let write = Write {
            key: key(tuple),
            condition: Field::Absent,
            expires_at,
            paused: Field::Set(paused),
            on_duplicate: OnDuplicate::Update,
        };
        let request = WriteRequest { writes: vec![write], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap().revision
    }

    pub(super) fn delete(&self, tuple: &str) {
        let delete = Delete { key: key(tuple), on_missing: OnMissing::Error };
        let request = WriteRequest { deletes: vec![delete], ..WriteRequest::default() };
        self.engine.write(self.store, request).unwrap();
    }

    /// A check as a client asks it.
    pub(super) fn check(&self, tuple: &str) -> bool {
        let TupleKey { object, relation, subject } = key(tuple);
        let request = CheckRequest { object, relation, subject };
        self.engine.check(self.store, &QueryContext::default(), &request).unwrap().value.allowed
    }
}

pub(super) fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Reads `object#relation@subject`.
pub(super) fn key(tuple: &str) -> TupleKey {
    let (userset, subject) = tuple.split_once('@').unwrap();
    let (object, relation) = userset.split_once('#').unwrap();
    TupleKey {
        object: Object::parse(object).unwrap(),
        relation: relation.into(),
        subject: Subject::parse(subject).unwrap(),
    }
}
