//! R49: commands that race each other end as if one had come after the other.
//!
//! Many threads fire commands that stand in each other's way; what is left must break no rule. A command that would have
//! broken one was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tenure::cooperation::documents::{Document, EmailDocument, OrganizationDocument, UserDocument};
use tenure::cooperation::members::MembershipChange;
use tenure::cooperation::organizations::NewOrganization;
use tenure::cooperation::resources::{NewResource, ParkChange};
use tenure::cooperation::{
    Actor, COOPERATION_MODEL, Code, CommandError, Cooperations, Email, EntityId, JobRole, OrganizationRole,
    Outcome, Request, Resource, ResourceKind, Work, grants, members, organizations, resources, users,
};
use tenure::engine::Engine;
use tenure::model::limits::EvaluationLimits;
use tenure::model::{StoreId, SystemClock, TupleKey, TupleRecord};
use tenure::schema;
use tenure::store::memory::MemoryDatabase;
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Database, Snapshot, TupleFilter};

const USERS: usize = 8;
const ORGANIZATIONS: usize = 3;
const RESOURCES: usize = 6;
const THREADS: usize = 4;

fn id(kind: &str, n: usize) -> EntityId {
    EntityId::parse("id", &format!("{kind}{n}")).unwrap()
}

fn user(n: usize) -> EntityId {
    id("u", n % USERS)
}

fn organization(n: usize) -> EntityId {
    id("o", n % ORGANIZATIONS)
}

fn resource(n: usize) -> Resource {
    let kind = if n.is_multiple_of(2) { ResourceKind::Park } else { ResourceKind::Portfolio };
    Resource { kind, id: id("r", n % RESOURCES) }
}

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

struct Race<D: Database> {
    cooperations: Cooperations<D>,
    store: StoreId,
    done: AtomicUsize,
    refused: AtomicUsize,
}

impl<D: Database> Race<D> {
    fn new(database: D) -> Self {
        let engine = Arc::new(Engine::new(database, EvaluationLimits::default()));
        let store = engine.create_store("race").unwrap().id;
        engine.write_model(store, schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
        let race = Self {
            cooperations: Cooperations::new(engine),
            store,
            done: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        };
        for n in 0..USERS {
            let email = Email::parse("email", &format!("{n}@example.org")).unwrap();
            race.command(&Actor::System, |work| users::put(work, &user(n), &email, None).map(drop));
        }
        for n in 0..ORGANIZATIONS {
            race.found(n, n);
        }
        race
    }

    fn command(&self, actor: &Actor, run: impl Fn(&mut Work<'_, D>) -> Outcome<()>) {
        let request =
            Request { actor: actor.clone(), command: "race", target: String::new(), input: Value::Null };
        match self.cooperations.command(self.store, &request, run) {
            Ok(_) => self.done.fetch_add(1, Ordering::Relaxed),
            Err(CommandError::Refused(refusal)) => {
                assert_ne!(refusal.code, Code::Inconsistent, "{refusal}");
                self.refused.fetch_add(1, Ordering::Relaxed)
            }
            Err(error) => panic!("{error}"),
        };
    }

    fn found(&self, n: usize, admin: usize) {
        let new = NewOrganization { id: Some(organization(n)), name: "o".into() };
        self.command(&Actor::System, |work| organizations::create(work, &new, &user(admin)).map(drop));
    }

    /// One command, by whoever.
    fn fire(&self, dice: &mut Dice) {
        let (whose, whom, what, where_to) = (
            user(dice.roll(USERS)),
            user(dice.roll(USERS)),
            resource(dice.roll(RESOURCES)),
            dice.roll(ORGANIZATIONS),
        );
        let actor = Actor::User(whose.clone());
        let o = organization(where_to);
        let role = OrganizationRole::ALL[dice.roll(OrganizationRole::ALL.len())];
        match dice.roll(12) {
            0 | 1 => self.command(&Actor::System, |work| members::put(work, &o, &whom, role).map(drop)),
            2 => self.command(&actor, |work| members::remove(work, &o, &whose, None)),
            3 => self.command(&actor, |work| members::remove(work, &o, &whom, None)),
            4 => {
                let change = MembershipChange { paused: Some(dice.roll(2) == 0), ..Default::default() };
                self.command(&actor, |work| members::change(work, &o, &whom, &change).map(drop));
            }
            5 => {
                let change = MembershipChange { role: Some(role), ..Default::default() };
                self.command(&actor, |work| members::change(work, &o, &whom, &change).map(drop));
            }
            6 | 7 => {
                let portfolio =
                    (what.kind == ResourceKind::Park).then(|| resource(dice.roll(RESOURCES) | 1).id);
                let new =
                    NewResource { kind: what.kind, id: Some(what.id.clone()), name: "r".into(), portfolio };
                self.command(&Actor::System, |work| resources::create(work, &o, &new).map(drop));
            }
            8 => {
                let portfolio = Some(Some(resource(dice.roll(RESOURCES) | 1).id));
                let change = ParkChange { name: None, portfolio };
                self.command(&actor, |work| resources::change_park(work, &what.id, &change).map(drop));
            }
            9 => {
                // Rarely, so that there is something to race for.
                if dice.roll(8) == 0 {
                    self.command(&actor, |work| resources::delete(work, &what));
                }
            }
            10 => {
                let role = JobRole::ALL[dice.roll(JobRole::ALL.len())];
                self.command(&actor, |work| grants::put(work, &what, &whom, Some(role), None).map(drop));
            }
            _ => {
                let email = Email::parse("email", &format!("{}@example.org", dice.roll(USERS + 2))).unwrap();
                self.command(&Actor::System, |work| users::put(work, &whom, &email, None).map(drop));
            }
        }
    }

    /// Everything that the rules say of what is stored.
    fn check(&self) {
        let snapshot = self.cooperations.engine().database().snapshot(self.store).unwrap().unwrap();
        let mut tuples: Vec<(TupleKey, TupleRecord)> = Vec::new();
        snapshot
            .read(&TupleFilter::default(), None, &mut |key, record| {
                tuples.push((key.to_owned(), record));
                ControlFlow::Continue(())
            })
            .unwrap();
        let of = |type_name: &'static str, relation: &'static str| {
            let wanted =
                move |key: &TupleKey| *key.object.type_name == *type_name && *key.relation == *relation;
            tuples.iter().filter(move |(key, _)| wanted(key))
        };
        let subject = |key: &TupleKey| key.subject.to_string();

        let mut memberships: BTreeMap<String, String> = BTreeMap::new();
        let mut firm_admins: BTreeSet<String> = BTreeSet::new();
        for role in OrganizationRole::ALL {
            for (key, record) in of("organization", role.name()) {
                let before = memberships.insert(subject(key), key.object.id.to_string());
                assert_eq!(before, None, "R1, R2: {key}");
                if *role == OrganizationRole::Admin && record.lifetime.is_unlimited() {
                    firm_admins.insert(key.object.id.to_string());
                }
            }
        }
        let kept: BTreeSet<String> = (0..ORGANIZATIONS).map(|n| organization(n).to_string()).collect();
        assert_eq!(firm_admins, kept, "R7");

        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for kind in ["park", "portfolio"] {
            for (key, _) in of(kind, "owner") {
                let before = owners.insert(key.object.to_string(), subject(key));
                assert_eq!(before, None, "R9: {key}");
            }
        }
        let mut portfolios: BTreeMap<String, String> = BTreeMap::new();
        for (key, _) in of("park", "portfolio") {
            assert_eq!(portfolios.insert(key.object.to_string(), subject(key)), None, "R9: {key}");
            let owner = owners.get(&subject(key));
            assert!(owner.is_some() && owner == owners.get(&key.object.to_string()), "R9: {key}");
        }
        let mut granted = BTreeSet::new();
        for (key, _) in tuples.iter().filter(|(key, _)| key.relation.ends_with("_grant")) {
            assert!(granted.insert((key.object.to_string(), subject(key))), "R12: {key}");
            let owner = owners.get(&key.object.to_string()).unwrap_or_else(|| panic!("R9: {key}"));
            let member_of = memberships.get(&subject(key)).unwrap_or_else(|| panic!("R8: {key}"));
            assert_eq!(*owner, format!("organization:{member_of}"), "R12: {key}");
        }
        self.check_documents(&snapshot);
    }

    fn check_documents(&self, snapshot: &D::Snapshot) {
        let mut all: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
        for prefix in [UserDocument::key(&[]), EmailDocument::key(&[]), OrganizationDocument::key(&[])] {
            snapshot
                .documents(&prefix, None, &mut |key, value| {
                    let id = key.parts().next().unwrap().to_owned();
                    all.entry(key.kind().to_owned())
                        .or_default()
                        .push((id, serde_json::from_slice(value).unwrap()));
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let users: BTreeSet<(String, String)> =
            all["user"].iter().map(|(id, user)| (text(user, "email"), id.clone())).collect();
        let emails: BTreeSet<(String, String)> =
            all["email"].iter().map(|(email, holder)| (email.clone(), text(holder, "user"))).collect();
        assert_eq!(users, emails, "each email is the one of one user");
        assert_eq!(users.len(), USERS);
    }
}

fn race<D: Database>(database: D, commands: usize) {
    let race = Race::new(database);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let race = &race;
            scope.spawn(move || {
                let mut dice = Dice(thread as u64 + 1);
                (0..commands / THREADS).for_each(|_| race.fire(&mut dice));
            });
        }
    });
    race.check();
    let (done, refused) = (race.done.into_inner(), race.refused.into_inner());
    assert!(done > commands / 10 && refused > commands / 10, "{done} done, {refused} refused");
}

#[test]
fn r49_thousands_of_commands_that_race_break_no_rule() {
    race(MemoryDatabase::new(Arc::new(SystemClock)), 4000);
}

#[test]
fn r49_commands_that_race_on_the_disk_break_no_rule() {
    let directory = tempfile::tempdir().unwrap();
    let options = RocksOptions {
        block_cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        open_files_max: 64,
        ..RocksOptions::default()
    };
    race(RocksDatabase::open(directory.path(), Arc::new(SystemClock), &options).unwrap(), 1000);
}
