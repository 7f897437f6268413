//! Which checks are recorded, with what, and that none is lost.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::super::command::JOURNAL_OF_COMMANDS;
use super::super::test_world::{World, instant, key};
use super::*;
use crate::engine::{BatchCheckItem, CheckRequest, QueryContext};
use crate::model::TupleKey;
use crate::store::memory::MemoryDatabase;
use crate::store::{Batch, Database, Field, JournalAddition, Snapshot, StoreError};

type Recorder = AccessRecorder<MemoryDatabase>;

fn start(world: &World) -> Recorder {
    // So long that only what asks for it makes it commit.
    let options = AccessRecordOptions { delay: Duration::from_secs(600), ..AccessRecordOptions::default() };
    AccessRecorder::start(&world.engine, options).unwrap()
}

fn entries(world: &World, filter: &AccessFilter) -> Vec<AccessEntry> {
    world.engine.settle_checks();
    let snapshot = world.engine.database().snapshot(world.store).unwrap().unwrap();
    let found = read::<_, StoreError>(&snapshot, filter, None, 10_000, |_| Ok(true)).unwrap();
    assert_eq!(found.next, None);
    found.items.into_iter().map(|(_, entry)| entry).collect()
}

/// All that is recorded: `user resource role decision reason cooperation`.
fn lines(world: &World) -> Vec<String> {
    entries(world, &AccessFilter::default()).iter().map(line).collect()
}

fn line(entry: &AccessEntry) -> String {
    let AccessEntry { user, resource, role, allowed, reason, cooperation, .. } = entry;
    let decision = if *allowed { "allowed" } else { "denied" };
    format!("{user} {resource} {role} {decision} {reason} {cooperation}")
}

#[test]
fn what_a_share_allows_is_recorded_and_what_is_the_owners_own_is_not() {
    let world = World::new();
    let _recorder = start(&world);
    assert!(world.check("park:deich#technical_manager@user:nora"));
    assert!(world.check("park:deich#viewer@user:nils"));
    assert!(world.check("park:elster#viewer@user:kit"), "by the portfolio's share");
    assert!(world.check("park:deich#operator@user:hanna"));
    assert!(world.check("park:heide#viewer@user:mina"));
    assert_eq!(
        lines(&world),
        [
            "nora park:deich technical_manager allowed partner_admin upkeep",
            "nils park:deich viewer allowed delegation upkeep",
            "kit park:elster viewer allowed delegation money",
        ]
    );
}

#[test]
fn a_denial_is_recorded_of_admins_and_delegates_of_the_partner_only() {
    let world = World::new();
    let _recorder = start(&world);
    for denied in [
        "park:deich#operator@user:nora",
        "park:deich#technical_manager@user:erik",
        "park:deich#asset_manager@user:nils",
        // Not hers to ask for: a member without a delegation, another partner, somebody else, another park.
        "park:deich#viewer@user:olga",
        "park:deich#viewer@user:kate",
        "park:deich#viewer@user:xaver",
        "park:heide#viewer@user:nora",
        "park:unknown#viewer@user:nora",
        "park:deich#viewer@user:unknown",
    ] {
        assert!(!world.check(denied), "{denied}");
    }
    assert_eq!(
        lines(&world),
        [
            "nora park:deich operator denied role_not_given upkeep",
            "erik park:deich technical_manager denied role_not_given upkeep",
            "nils park:deich asset_manager denied role_not_given upkeep",
        ]
    );
}

#[test]
fn a_denial_says_what_has_ended() {
    let past = || Field::Set(instant("2026-01-01T00:00:00Z"));
    let partner = "cooperation:upkeep#partner@organization:nordwind";
    let share = "park:deich#technical_manager_share@cooperation:upkeep";
    let delegation = "park:deich#technical_manager_delegate@user:nils";
    let member = "organization:nordwind#member@user:nils";
    for (tuple, expires_at, paused, reason) in [
        (partner, past(), true, "cooperation_expired"),
        (partner, Field::Absent, true, "cooperation_paused"),
        (member, past(), false, "membership_expired"),
        (member, Field::Absent, true, "membership_paused"),
        (share, past(), false, "share_expired"),
        (delegation, past(), false, "delegation_expired"),
    ] {
        let world = World::new();
        let _recorder = start(&world);
        let revision = world.write(tuple, expires_at, paused);
        assert!(!world.check("park:deich#viewer@user:nils"));
        let found = entries(&world, &AccessFilter::default());
        assert_eq!(
            found.iter().map(line).collect::<Vec<_>>(),
            [format!("nils park:deich viewer denied {reason} upkeep")]
        );
        assert_eq!((found[0].revision, found[0].at), (revision, world.engine.now()));
    }
    let world = World::new();
    let _recorder = start(&world);
    world.delete(partner);
    assert!(!world.check("park:deich#viewer@user:nora"));
    assert_eq!(lines(&world), ["nora park:deich viewer denied cooperation_pending upkeep"]);
}

#[test]
fn each_check_of_a_batch_is_recorded_and_what_only_lists_is_not() {
    let world = World::new();
    let _recorder = start(&world);
    let item = |tuple: &str| {
        let TupleKey { object, relation, subject } = key(tuple);
        let check = CheckRequest { object, relation, subject };
        BatchCheckItem { check, contextual_tuples: Vec::new(), context: Default::default() }
    };
    let checks =
        ["park:deich#viewer@user:nora", "park:heide#viewer@user:mina", "park:deich#operator@user:nora"];
    let checks: Vec<_> = checks.iter().map(|tuple| item(tuple)).collect();
    let context = QueryContext::default();
    world.engine.batch_check(world.store, &context, &checks).unwrap();
    let TupleKey { object, subject, .. } = key("park:deich#viewer@user:nora");
    world.engine.relations_held(world.store, &context, &object, &subject).unwrap();
    assert_eq!(
        lines(&world),
        [
            "nora park:deich viewer allowed partner_admin upkeep",
            "nora park:deich operator denied role_not_given upkeep",
        ]
    );
}

#[test]
fn a_check_that_was_decided_before_is_recorded_with_its_own_instant_and_revision() {
    let world = World::new();
    let _recorder = start(&world);
    let mut expected = Vec::new();
    for second in 0..4 {
        world.set_clock(&format!("2027-01-01T00:00:0{second}Z"));
        // Of something else: the decision is kept over it, and so is what was remarked on it.
        let revision =
            world.write(&format!("organization:sundwind#member@user:new{second}"), Field::Absent, false);
        for question in
            ["park:deich#viewer@user:nora", "park:deich#operator@user:nora", "park:heide#viewer@user:mina"]
        {
            world.check(question);
        }
        expected.extend([(world.engine.now(), revision); 2]);
        world.engine.settle_checks();
    }
    let found = entries(&world, &AccessFilter::default());
    let found: Vec<_> = found.into_iter().map(|entry| (entry.at, entry.revision)).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_kept_about_a_check_never_outlives_what_it_rests_on() {
    // One keeps decisions and what it found out about them, the other decides and finds out everything anew.
    let worlds = [World::with_decision_cache(1 << 20), World::with_decision_cache(0)];
    let recorders = worlds.each_ref().map(start);
    let soon = |second: u32| Field::Set(instant(&format!("2027-01-01T00:00:{second:02}Z")));
    let partner = "cooperation:upkeep#partner@organization:nordwind";
    let share = "park:deich#technical_manager_share@cooperation:upkeep";
    let delegation = "park:deich#technical_manager_delegate@user:nils";
    let member = "organization:nordwind#member@user:nils";
    let heide = "park:heide#viewer_share@cooperation:upkeep";
    type Step<'s> = (&'s str, Option<(Field<Instant>, bool)>);
    let steps: &[Step<'_>] = &[
        (partner, Some((Field::Absent, true))),
        (partner, Some((Field::Absent, false))),
        (partner, Some((soon(5), false))),
        (partner, Some((Field::Clear, true))),
        (partner, None),
        (partner, Some((Field::Absent, false))),
        (member, Some((soon(11), false))),
        (member, Some((soon(40), true))),
        (member, Some((Field::Clear, false))),
        (share, Some((soon(14), false))),
        (share, Some((Field::Clear, false))),
        (delegation, None),
        (delegation, Some((Field::Absent, true))),
        (delegation, Some((soon(30), false))),
        // A denial that concerned nothing concerns a cooperation now, and nothing again.
        (heide, Some((Field::Absent, false))),
        ("park:heide#portfolio@portfolio:west", Some((Field::Absent, false))),
        (heide, None),
        ("park:heide#viewer_grant@user:nils", Some((Field::Absent, false))),
        ("park:deich#viewer_grant@user:nora", Some((Field::Absent, false))),
        ("organization:sundwind#admin@user:nora", Some((Field::Absent, false))),
        ("organization:nordwind#admin@user:nora", None),
        (share, None),
    ];
    let (mut second, mut seen) = (0, 0);
    for (tuple, change) in std::iter::once(&("", None)).chain(steps) {
        for world in worlds.iter().filter(|_| !tuple.is_empty()) {
            match change {
                Some((expires_at, paused)) => drop(world.write(tuple, *expires_at, *paused)),
                None => world.delete(tuple),
            }
        }
        // Twice at one instant, and again later, when something may have expired.
        for moves in [true, false, false, true] {
            second += u32::from(moves);
            for world in &worlds {
                world.set_clock(&format!("2027-01-01T00:00:{second:02}Z"));
                for park in ["deich", "heide", "elster"] {
                    for role in ["viewer", "technical_manager", "operator"] {
                        for user in ["nora", "nils", "erik", "kit", "hanna", "xaver"] {
                            world.check(&format!("park:{park}#{role}@user:{user}"));
                        }
                    }
                }
                world.engine.settle_checks();
            }
        }
        let new = worlds.each_ref().map(|world| {
            let all = entries(world, &AccessFilter::default());
            let new = all
                .iter()
                .skip(seen)
                .map(|entry| format!("{} {} {}", entry.at, entry.revision.0, line(entry)));
            let mut new: Vec<_> = new.collect();
            new.sort();
            new
        });
        assert_eq!(new[0], new[1], "after {tuple} {change:?}");
        assert!(!new[0].is_empty());
        seen += new[0].len();
    }
    drop(recorders);
}

#[test]
fn the_record_is_read_by_resource_user_cooperation_and_time() {
    let world = World::new();
    let _recorder = start(&world);
    for at in ["2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"] {
        world.set_clock(at);
        world.check("park:deich#viewer@user:nora");
        world.check("park:elster#viewer@user:kate");
        world.engine.settle_checks();
    }
    let count = |filter: AccessFilter| entries(&world, &filter).len();
    assert_eq!(count(AccessFilter::default()), 6);
    assert_eq!(count(AccessFilter { resource: Some("park:deich".into()), ..Default::default() }), 3);
    assert_eq!(count(AccessFilter { user: Some("kate".into()), ..Default::default() }), 3);
    assert_eq!(count(AccessFilter { cooperation: Some("money".into()), ..Default::default() }), 3);
    let from = Some(instant("2027-01-02T00:00:00Z"));
    assert_eq!(count(AccessFilter { from, ..Default::default() }), 4);
    assert_eq!(count(AccessFilter { to: from, ..Default::default() }), 2, "`to` is exclusive");
    let to = Some(instant("2027-01-02T00:00:00.000001Z"));
    assert_eq!(count(AccessFilter { from, to, ..Default::default() }), 2);

    let snapshot = world.engine.database().snapshot(world.store).unwrap().unwrap();
    let (mut after, mut seen) = (None, 0);
    loop {
        let part =
            read::<_, StoreError>(&snapshot, &AccessFilter::default(), after, 4, |_| Ok(true)).unwrap();
        seen += part.items.len();
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 6);
}

#[test]
fn nothing_is_lost_when_many_check_at_once_nor_when_the_record_is_stopped() {
    let world = Arc::new(World::new());
    let recorder = start(&world);
    let threads = 4;
    let each = 2_500;
    let checking: Vec<_> = (0..threads)
        .map(|_| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for _ in 0..each {
                    assert!(world.check("park:deich#viewer@user:nora"));
                }
            })
        })
        .collect();
    for thread in checking {
        thread.join().unwrap();
    }
    // Without settling: letting go of it records what is left.
    drop(recorder);
    let snapshot = world.engine.database().snapshot(world.store).unwrap().unwrap();
    let mut count = 0;
    snapshot_entries(&snapshot, &mut count);
    assert_eq!(count, threads * each);
    assert!(world.check("park:deich#viewer@user:nora"), "checks go on without a record");
}

fn snapshot_entries(snapshot: &impl Snapshot, count: &mut usize) {
    let visit = &mut |row: crate::store::JournalEntry| {
        *count += block::entries(&row.value).unwrap().len();
        std::ops::ControlFlow::Continue(())
    };
    snapshot.journal(JOURNAL, None, visit).unwrap();
}

#[test]
fn entries_are_added_after_the_delay_without_being_asked_for() {
    let world = World::new();
    let options = AccessRecordOptions { delay: Duration::from_millis(20), ..AccessRecordOptions::default() };
    let _recorder = AccessRecorder::start(&world.engine, options).unwrap();
    // While the thread looks for checks, and after it went to sleep.
    for (pause, expected) in [(0, 1), (400, 2)] {
        thread::sleep(Duration::from_millis(pause));
        world.check("park:deich#viewer@user:nora");
        let mut count = 0;
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(10));
            count = 0;
            snapshot_entries(&world.engine.database().snapshot(world.store).unwrap().unwrap(), &mut count);
            if count == expected {
                break;
            }
        }
        assert_eq!(count, expected);
    }
}

#[test]
fn what_is_older_than_the_retention_is_forgotten() {
    let world = World::new();
    let day = 24 * 3600;
    let options = AccessRecordOptions {
        delay: Duration::from_secs(600),
        retention: Duration::from_secs(30 * day),
        command_retention: None,
    };
    let recorder = AccessRecorder::start(&world.engine, options).unwrap();
    world.check("park:deich#viewer@user:nora");
    world.engine.settle_checks();
    world.set_clock("2027-01-20T00:00:00Z");
    world.check("park:deich#viewer@user:nils");
    drop(recorder);
    world.set_clock("2027-02-10T00:00:00Z");
    // It looks when it begins.
    let recorder = AccessRecorder::start(&world.engine, options).unwrap();
    world.check("park:deich#viewer@user:erik");
    drop(recorder);
    let users: Vec<_> =
        entries(&world, &AccessFilter::default()).into_iter().map(|entry| entry.user).collect();
    assert_eq!(users, ["nils".into(), "erik".into()] as [Box<str>; 2]);
}

#[test]
fn records_of_commands_are_forgotten_by_age_only_where_that_is_asked_for() {
    let world = World::new();
    let count = || {
        let snapshot = world.engine.database().snapshot(world.store).unwrap().unwrap();
        let mut count = 0;
        let visit = &mut |_| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        snapshot.journal(JOURNAL_OF_COMMANDS, None, visit).unwrap();
        count
    };
    let add = || {
        let entry = JournalAddition { journal: JOURNAL_OF_COMMANDS.into(), value: b"{}"[..].into() };
        world.engine.commit(world.store, Batch { journals: vec![entry], ..Batch::default() }).unwrap();
    };
    add();
    world.set_clock("2027-01-20T00:00:00Z");
    add();
    world.set_clock("2027-02-10T00:00:00Z");
    // It forgets when it begins, before it looks for checks.
    let run = |command_retention| {
        let options = AccessRecordOptions { command_retention, ..AccessRecordOptions::default() };
        drop(AccessRecorder::start(&world.engine, options).unwrap());
    };
    run(None);
    assert_eq!(count(), 2);
    run(Some(Duration::from_secs(30 * 24 * 3600)));
    assert_eq!(count(), 1);
}

#[test]
fn a_store_without_cooperations_has_no_record() {
    let world = World::new();
    let model = "model\n  schema 1.1\ntype user\ntype park\n  relations\n    define viewer: [user]\n";
    let other = world.engine.create_store("other").unwrap().id;
    world.engine.write_model(other, crate::schema::parse(model).unwrap()).unwrap();
    let recorder = start(&world);
    let TupleKey { object, relation, subject } = key("park:deich#viewer@user:nora");
    let request = CheckRequest { object, relation, subject };
    assert!(!world.engine.check(other, &QueryContext::default(), &request).unwrap().value.allowed);
    drop(recorder);
    let mut count = 0;
    snapshot_entries(&world.engine.database().snapshot(other).unwrap().unwrap(), &mut count);
    assert_eq!(count, 0);
}
