//! Backups that are made while others write, and what is restored from them.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Figures;
use crate::damage::{copy, log_of_writes};
use crate::server::{Server, tenure, verify};
use crate::world::{Random, World};

/// Runs a command of `tenure backup`: whether it succeeded, and what it said.
fn backup(arguments: &[&str]) -> (bool, String) {
    let output = tenure(&[&["backup"], arguments].concat()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let (success, said) = backup(arguments);
    assert!(success, "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The tuples of both stores as a server on this directory shows them, and the revision of the first.
fn found(data: &Path, world: &World) -> (Vec<Value>, u64) {
    let server = Server::start(data);
    let client = server.client();
    let [store, other] = world.stores();
    let mut tuples = client.tuples(store);
    tuples.extend(client.tuples(other));
    (tuples, client.revision(store))
}

#[test]
fn backups_under_load_restore_to_what_was_there_and_to_any_point_around() {
    let mut world = World::new();
    let mut random = Random::new(5);
    let place = tempfile::tempdir().unwrap();
    let backups = place.path().join("backups");
    let server = Server::start_with(&world.data(), &["--backup-dir", text(&backups)]);
    let client = server.client();
    let store = world.stores()[0].to_owned();
    // Several while everybody writes; what was committed before one began is in it.
    let taken = thread::scope(|scope| {
        let taken = scope.spawn(|| {
            let mut taken = Vec::new();
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(300));
                let before = client.revision(&store);
                let made = client.ask("", "POST", "/backups", &json!({}));
                taken.push((made["id"].as_u64().unwrap(), before, client.revision(&store)));
            }
            server.kill();
            taken
        });
        world.write_until_gone(&server, &mut random);
        taken.join().unwrap()
    });
    let listed = done(&["list", "--from", text(&backups)]);
    assert_eq!(listed.lines().count(), 1 + taken.len(), "{listed}");

    let mut states = Vec::new();
    for (id, before, after) in &taken {
        let (from, id) = (text(&backups), id.to_string());
        let verified = done(&["verify", "--from", from, "--id", &id, "--scratch", text(place.path())]);
        assert!(verified.contains("differences: 0"), "{verified}");
        let data = place.path().join(format!("of-{id}"));
        done(&["restore", "--from", from, "--id", &id, "--data", text(&data)]);
        let state = found(&data, &world);
        assert!((before..=after).contains(&&state.1), "{before} {} {after}", state.1);
        states.push(state);
    }
    assert!(states[0].1 < states[2].1, "there was a load");

    // Back: the last backup up to where the first ended.
    let end = format!("{store}={}", states[0].1);
    let data = place.path().join("back");
    done(&["restore", "--from", text(&backups), "--data", text(&data), "--revision", &end]);
    let own = |state: &(Vec<Value>, u64)| -> Vec<Value> {
        let documents =
            state.0.iter().filter(|tuple| tuple["object"].as_str().unwrap().starts_with("document:"));
        documents.cloned().collect()
    };
    let back = found(&data, &world);
    assert_eq!((own(&back), back.1), (own(&states[0]), states[0].1));

    // On: the first backup with the log of the directory of the server that was killed.
    let data = place.path().join("on");
    let arguments = ["restore", "--from", text(&backups), "--id", "1", "--log-of"];
    done(&[&arguments[..], &[text(&world.data()), "--data", text(&data)]].concat());
    let server = Server::start(&data);
    world.compare(&server, &mut Figures::default());
    server.kill();
    let newest = found(&world.data(), &world);
    assert_eq!(found(&data, &world), newest);

    // A copy that has gone on by itself is of another history.
    let client = Server::start(&place.path().join("of-2"));
    let other = place.path().join("of-2");
    let body =
        json!({"writes": {"tuple_keys": [{"object": "document:x", "relation": "viewer", "user": "user:x"}]}});
    for _ in 0..2 {
        client.client().send("", "POST", &format!("/stores/{store}/write"), &body);
    }
    client.kill();
    let data = place.path().join("refused");
    let arguments = ["restore", "--from", text(&backups), "--id", "3", "--log-of", text(&other)];
    let more = states[2].1 - states[1].1 + 2;
    let (success, said) = backup(&[&arguments[..], &["--data", text(&data)]].concat());
    // Where it is shorter than the backup, it has nothing to add.
    assert!(success || said.contains("another history"), "{more} {said}");
    if success {
        assert_eq!(found(&data, &world), states[2]);
    }
}

#[test]
fn a_restore_ends_before_the_instant_that_is_named() {
    let place = tempfile::tempdir().unwrap();
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    let server = Server::start(&data);
    let client = server.client();
    let create = |name: &str| client.ask("", "POST", "/stores", &json!({ "name": name }));
    let first = create("first")["id"].as_str().unwrap().to_owned();
    let model = tenure::schema::parse(crate::world::MODEL).unwrap();
    let model = tenure::schema::json::to_value(&model, tenure::schema::json::Style::Compact);
    client.ask("", "POST", &format!("/stores/{first}/authorization-models"), &model);
    let write = |what: &str, user: &str| {
        let keys = json!({"tuple_keys": [{"object": "document:1", "relation": "viewer", "user": user}]});
        let body = json!({ what: keys });
        client.ask("", "POST", &format!("/stores/{first}/write"), &body);
    };
    write("writes", "user:anne");
    write("writes", "user:bob");
    thread::sleep(Duration::from_millis(5));
    let later = create("later");
    let instant = later["created_at"].as_str().unwrap();
    write("deletes", "user:anne");
    write("writes", "user:eve");
    server.kill();
    done(&["create", "--data", text(&data), "--to", text(&backups)]);

    let restored = place.path().join("restored");
    done(&["restore", "--from", text(&backups), "--data", text(&restored), "--before", instant]);
    let server = Server::start(&restored);
    let client = server.client();
    let users: Vec<_> =
        client.tuples(&first).iter().map(|tuple| tuple["user"].as_str().unwrap().to_owned()).collect();
    assert_eq!(users, ["user:anne", "user:bob"]);
    assert!(client.check(&first, "document:1", "user:anne").0);
    assert!(!client.check(&first, "document:1", "user:eve").0, "what was granted later is not");
    assert_eq!(client.ask("", "GET", "/stores", &json!({}))["stores"].as_array().unwrap().len(), 1);
    // It goes on from there.
    let body =
        json!({"writes": {"tuple_keys": [{"object": "document:2", "relation": "viewer", "user": "user:x"}]}});
    assert_eq!(client.ask("", "POST", &format!("/stores/{first}/write"), &body)["revision"], 4);
}

#[test]
fn backups_share_what_they_have_in_common_and_the_oldest_go() {
    let place = tempfile::tempdir().unwrap();
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    Server::start(&data).client().ask("", "POST", "/stores", &json!({"name": "first"}));
    let create = || done(&["create", "--data", text(&data), "--to", text(&backups), "--keep", "2"]);
    for _ in 0..3 {
        create();
    }
    let listed = done(&["list", "--from", text(&backups)]);
    let ids: Vec<_> = listed.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(ids, ["2", "3"]);
    let shared = fs::read_dir(backups.join("shared_checksum")).unwrap().count();
    create();
    assert_eq!(fs::read_dir(backups.join("shared_checksum")).unwrap().count(), shared);
}

#[test]
fn what_cannot_be_restored_is_refused_and_nothing_is_left_of_it() {
    let place = tempfile::tempdir().unwrap();
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    let server = Server::start(&data);
    let store = server.client().ask("", "POST", "/stores", &json!({"name": "first"}));
    let (status, answer) = server.client().send("", "POST", "/backups", &json!({})).unwrap();
    assert_eq!((status, &answer["code"]), (404, &json!("unimplemented")), "{answer}");
    server.kill();
    done(&["create", "--data", text(&data), "--to", text(&backups)]);
    let target = place.path().join("target");
    let refused = |more: &[&str], expected: &str| {
        let arguments = [&["restore", "--from", text(&backups), "--data", text(&target)], more].concat();
        let (success, said) = backup(&arguments);
        assert!(!success && said.contains(expected), "{said}");
        assert!(!target.exists() && !place.path().join("target.restoring").exists());
    };
    let store = store["id"].as_str().unwrap();
    refused(&["--id", "7"], "there is no backup 7 in it");
    refused(&["--revision", &format!("{store}=5")], "ends at revision 0");
    refused(&["--revision", "01J9ZZZZZZZZZZZZZZZZZZZZZZ=1"], "there is no store 01J9ZZZZZZZZZZZZZZZZZZZZZZ");
    refused(&["--log-of", text(place.path())], "there is no database in it");
    refused(&["--before", "yesterday"], "invalid value `yesterday` for --before");
    let (success, said) = backup(&["list", "--from", text(place.path())]);
    assert!(!success && said.contains("there are no backups in it"), "{said}");
    let (success, said) = backup(&["restore", "--from", text(&backups), "--data", text(&data)]);
    assert!(!success && said.contains("it is not empty"), "{said}");

    // A table file that is not as it was written.
    let files = fs::read_dir(backups.join("shared_checksum")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    refused(&[], "orruption");
    let (success, said) = backup(&["verify", "--from", text(&backups), "--scratch", text(place.path())]);
    assert!(!success && said.contains("orruption"), "{said}");
}

/// Makes a key with all permissions, on a directory that no server runs on: its token.
fn make_key(data: &Path, name: &str) -> String {
    let permissions = "read,check,write,model,admin,act-as";
    let arguments = ["key", "create", name, "--quiet", "--permissions", permissions, "--data", text(data)];
    let output = tenure(&arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What a server on this directory answers to whoever has this token, if any.
fn status_for(data: &Path, token: Option<&str>) -> u16 {
    let server = Server::start(data);
    let client = server.client();
    let client = if let Some(token) = token { client.with_token(token) } else { client };
    client.send("", "GET", "/stores", &json!({})).unwrap().0
}

#[test]
fn a_key_that_was_revoked_does_not_come_back_unsaid_where_the_log_lost_its_end() {
    let place = tempfile::tempdir().unwrap();
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    let (ops, leaked) = (make_key(&data, "ops"), make_key(&data, "leaked"));
    done(&["create", "--data", text(&data), "--to", text(&backups)]);
    let server = Server::start(&data);
    let client = server.client().with_token(&ops);
    client.ask("", "POST", "/stores", &json!({"name": "first"}));
    let log = log_of_writes(&data).unwrap();
    let before = fs::metadata(&log).unwrap().len();
    let id = leaked.split('_').nth(1).unwrap();
    client.ask("", "DELETE", &format!("/keys/{id}"), &json!({}));
    server.kill();
    let cut = copy(&data);
    let cut = cut.path();
    let log = File::options().write(true).open(cut.join(log.file_name().unwrap())).unwrap();
    log.set_len(before).unwrap();
    assert!(
        verify(cut).unwrap_err().contains("is damaged; restore a backup"),
        "a server does not start on it"
    );

    let restored = |name: &str| place.path().join(name);
    let restore = |log_of: &Path, to: &str, more: &[&str]| {
        let (from, to) = (text(&backups), restored(to));
        let arguments = ["restore", "--from", from, "--data", text(&to), "--log-of", text(log_of)];
        backup(&[&arguments[..], more].concat())
    };
    let (success, said) = restore(&data, "whole", &[]);
    assert!(success && !said.contains("not whole"), "{said}");
    assert_eq!([&ops, &leaked].map(|token| status_for(&restored("whole"), Some(token))), [200, 401]);

    let lacks = "commits that were acknowledged or shown are missing";
    let (success, said) = restore(cut, "refused", &[]);
    assert!(!success && said.contains(lacks) && said.contains("--accept-loss"), "{said}");
    assert!(said.contains("a key that it revoked would be taken"), "it says what that means: {said}");
    assert!(!restored("refused").exists() && !restored("refused.restoring").exists());

    let (success, said) = restore(cut, "accepted", &["--accept-loss"]);
    assert!(success && said.contains(lacks) && said.contains("revoke again the keys"), "{said}");
    assert_eq!(status_for(&restored("accepted"), Some(&leaked)), 200, "as it was said");
    assert_eq!(status_for(&restored("accepted"), None), 401);

    // A note that is gone cannot say that nothing is missing.
    fs::remove_file(cut.join("tenure.acknowledged")).unwrap();
    let (success, said) = restore(cut, "without a note", &[]);
    assert!(!success && said.contains("`tenure.acknowledged`, which notes what was acknowledged"), "{said}");
    let (success, said) = backup(&["restore", "--from", "x", "--data", "y", "--accept-loss"]);
    assert!(!success && said.contains("--log-of"), "{said}");
}

#[test]
fn a_new_database_does_not_open_a_backup_to_everybody() {
    let place = tempfile::tempdir().unwrap();
    let (data, backups) = (place.path().join("data"), place.path().join("backups"));
    let token = make_key(&data, "ops");
    done(&["create", "--data", text(&data), "--to", text(&backups)]);
    let other = place.path().join("other");
    Server::start(&other).client().ask("", "POST", "/stores", &json!({"name": "other"}));
    let to = place.path().join("restored");
    let arguments = ["restore", "--from", text(&backups), "--data", text(&to)];
    let (success, said) = backup(&[&arguments[..], &["--log-of", text(&other)]].concat());
    assert!(!success && said.contains("it is of another database than the backup"), "{said}");
    assert!(!to.exists());
    done(&arguments);
    assert_eq!([status_for(&to, None), status_for(&to, Some(&token))], [401, 200]);
}
