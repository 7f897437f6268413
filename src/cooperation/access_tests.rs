//! Effective access, both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::test_world::{World, instant};
use super::*;
use crate::eval::Wanted;
use crate::store::Field;

const BOTH: &[ResourceKind] = &[ResourceKind::Park, ResourceKind::Portfolio];

/// What a user has: `resource role source ends_at`.
fn of(world: &World, user: &str) -> Vec<String> {
    let moment = world.engine.moment(world.store).unwrap();
    let part = of_user(&moment, user, BOTH, None, (None, 100)).unwrap();
    assert!(!part.more);
    part.items.iter().map(|access| line(&access.resource.to_string(), access)).collect()
}

/// What everybody has on a resource: `user role source ends_at`.
fn on(world: &World, resource: &str) -> Vec<String> {
    let moment = world.engine.moment(world.store).unwrap();
    let resource = Object::parse(resource).unwrap();
    let part = of_resource(&moment, &resource, (None, 100)).unwrap();
    part.items.iter().map(|access| line(&access.user, access)).collect()
}

fn line(first: &str, access: &Access) -> String {
    let source = match &access.source {
        Source::Own => "own",
        Source::Cooperation(id) => id,
    };
    let end = access.ends_at.map_or("never".to_owned(), |end| end.to_string());
    format!("{first} {} {source} {end}", access.role.name())
}

#[test]
fn a_user_has_the_highest_roles_both_siblings_where_both_are_held() {
    let world = World::new();
    assert_eq!(
        of(&world, "mina"),
        ["park:heide technical_manager own never", "park:heide asset_manager own never"]
    );
    assert_eq!(
        of(&world, "hanna"),
        [
            "park:deich operator own never",
            "park:elster operator own never",
            "park:heide operator own never",
            "portfolio:lausitz operator own never"
        ]
    );
    assert_eq!(of(&world, "nora"), ["park:deich technical_manager upkeep never"]);
    assert_eq!(of(&world, "nils"), ["park:deich technical_manager upkeep never"]);
    assert_eq!(of(&world, "erik"), ["park:deich viewer upkeep never"]);
    assert_eq!(of(&world, "kit"), ["park:elster viewer money never", "portfolio:lausitz viewer money never"]);
    assert!(of(&world, "olga").is_empty() && of(&world, "nobody").is_empty());
}

#[test]
fn a_resource_has_everybody_who_has_access_now_and_how() {
    let world = World::new();
    assert_eq!(
        on(&world, "park:deich"),
        [
            "erik viewer upkeep never",
            "hanna operator own never",
            "nils technical_manager upkeep never",
            "nora technical_manager upkeep never"
        ]
    );
    assert_eq!(
        on(&world, "park:elster"),
        ["hanna operator own never", "kate asset_manager money never", "kit viewer money never"]
    );
    assert!(on(&world, "park:unknown").is_empty());
}

#[test]
fn access_ends_with_the_first_thing_on_its_path_that_ends() {
    let world = World::new();
    let at = |text: &str| Field::Set(instant(text));
    world.write("cooperation:upkeep#partner@organization:nordwind", at("2029-01-01T00:00:00Z"), false);
    world.write("park:deich#technical_manager_share@cooperation:upkeep", at("2028-01-01T00:00:00Z"), false);
    world.write("park:deich#technical_manager_delegate@user:nils", at("2027-06-01T00:00:00Z"), false);
    let [nora, nils] = ["nora", "nils"].map(|user| of(&world, user));
    assert_eq!(nora, ["park:deich technical_manager upkeep 2028-01-01T00:00:00Z"]);
    assert_eq!(nils, ["park:deich technical_manager upkeep 2027-06-01T00:00:00Z"]);
    world.set_clock("2027-06-01T00:00:00Z");
    assert!(of(&world, "nils").is_empty(), "an end is exclusive (R45)");
    world.write("cooperation:upkeep#partner@organization:nordwind", Field::Absent, true);
    assert!(of(&world, "nora").is_empty());
    assert_eq!(on(&world, "park:deich"), ["hanna operator own never"]);
}

#[test]
fn with_two_paths_access_ends_when_both_have() {
    let world = World::new();
    world.write(
        "park:elster#asset_manager_share@cooperation:money",
        Field::Set(instant("2027-02-01T00:00:00Z")),
        false,
    );
    world.write(
        "portfolio:lausitz#asset_manager_share@cooperation:money",
        Field::Set(instant("2027-03-01T00:00:00Z")),
        false,
    );
    assert_eq!(
        of(&world, "kate"),
        [
            "park:elster asset_manager money 2027-03-01T00:00:00Z",
            "portfolio:lausitz asset_manager money 2027-03-01T00:00:00Z"
        ]
    );
}

#[test]
fn a_list_comes_in_parts_by_kind_and_role() {
    let world = World::new();
    let moment = world.engine.moment(world.store).unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let part = of_user(&moment, "hanna", BOTH, None, (after.as_ref(), 3)).unwrap();
        seen.extend(part.items.iter().map(|access| access.resource.to_string()));
        after = part.items.last().map(|last| (last.resource.clone(), last.role));
        if !part.more {
            break;
        }
    }
    assert_eq!(seen, ["park:deich", "park:elster", "park:heide", "portfolio:lausitz"]);
    let parks = &[ResourceKind::Park];
    let some = of_user(&moment, "mina", parks, Some(JobRole::AssetManager), (None, 9)).unwrap();
    assert_eq!(some.items.len(), 1);
    assert_eq!(of_user(&moment, "mina", parks, Some(JobRole::Viewer), (None, 9)).unwrap().items, []);
    let moment = moment.as_long_as(Wanted::as_long_as(|| false));
    let stopped = of_user(&moment, "hanna", BOTH, None, (None, 9));
    assert!(matches!(stopped, Err(EngineError::Stopped)));
}

#[test]
fn whether_anybody_waits_is_asked_for_each_entry_that_is_shown() {
    let world = World::new();
    let asked = |limit| {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let wanted = Wanted::as_long_as(move || count.fetch_add(1, Ordering::Relaxed) < u32::MAX);
        let moment = world.engine.moment(world.store).unwrap().as_long_as(wanted);
        let shown = of_user(&moment, "hanna", BOTH, None, (None, limit)).unwrap().items.len();
        asked.load(Ordering::Relaxed) - u32::try_from(shown).unwrap()
    };
    assert_eq!(asked(1), asked(4));
}
