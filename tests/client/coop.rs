//! `tenure coop`: each command, its refusals, and what is shown.

use serde_json::{Value, json};

use crate::commands::{Ended, Fixture};

/// Helios with the park Deich and the admin Hanna; Nordwind with the admin Nora and the member Nils.
fn example() -> Fixture {
    let fixture = Fixture::new();
    fixture.ok(&["model", "write", concat!(env!("CARGO_MANIFEST_DIR"), "/schema/cooperation.fga")]);
    for user in ["hanna", "nora", "nils", "walter"] {
        system(&fixture, "PUT", &format!("/users/{user}"), json!({ "email": format!("{user}@x.example") }));
    }
    for (id, admin) in [("helios", "hanna"), ("nordwind", "nora")] {
        system(&fixture, "POST", "/organizations", json!({ "id": id, "name": id, "admin": admin }));
    }
    system(&fixture, "PUT", "/organizations/nordwind/members/nils", json!({ "role": "member" }));
    system(&fixture, "POST", "/organizations/helios/parks", json!({ "id": "deich", "name": "Deich" }));
    fixture
}

fn system(fixture: &Fixture, method: &str, path: &str, body: Value) {
    let path = format!("/stores/{}{path}", fixture.store);
    let (status, answer) = fixture.server.send(method, &path, &body.to_string());
    assert!((200..300).contains(&status), "{method} {path}: {answer}");
}

/// Runs `tenure coop …` for somebody.
fn run(fixture: &Fixture, user: &str, arguments: &[&str]) -> Ended {
    fixture.run(&[&["coop"], arguments, &["--as", user]].concat())
}

#[track_caller]
fn ok(fixture: &Fixture, user: &str, arguments: &[&str]) -> String {
    let ended = run(fixture, user, arguments);
    assert_eq!((ended.code, ended.error.as_str()), (0, ""), "{arguments:?}");
    ended.out
}

#[track_caller]
fn refused(fixture: &Fixture, user: &str, arguments: &[&str], code: &str) {
    let ended = run(fixture, user, arguments);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
    assert!(ended.error.starts_with(&format!("error: {code}: ")), "{arguments:?}: {}", ended.error);
}

/// What a command prints that tells of a cooperation, without the revision.
fn told(out: &str) -> &str {
    out.split_once(", revision ").unwrap().0
}

/// A cooperation that was accepted and has one share, which is delegated to Nils.
fn cooperation(fixture: &Fixture) -> String {
    let id = ok(fixture, "hanna", &["invite", "helios", "nordwind", "--quiet"]).trim().to_owned();
    ok(fixture, "nora", &["accept", &id]);
    ok(fixture, "hanna", &["share", &id, "park:deich", "technical_manager"]);
    ok(fixture, "nora", &["delegate", &id, "park:deich", "nils", "technical_manager"]);
    id
}

fn allowed(fixture: &Fixture, user: &str) -> bool {
    fixture.run(&["check", &format!("user:{user}"), "technical_manager", "park:deich"]).code == 0
}

#[test]
fn a_cooperation_from_its_invitation_to_its_end() {
    let fixture = example();
    let invited = ok(&fixture, "hanna", &["invite", "helios", "nordwind"]);
    let (_, rest) = invited.split_once("cooperation ").unwrap();
    let id = rest.split_once(' ').unwrap().0;
    assert_eq!(told(&invited), format!("cooperation {id} is pending"));
    assert_eq!(told(&ok(&fixture, "nora", &["accept", id])), format!("cooperation {id} is active"));

    let share = ok(&fixture, "user:hanna", &["share", id, "park:deich", "technical_manager"]);
    assert_eq!(told(&share), "park:deich shared as technical_manager");
    let delegate = ["delegate", id, "park:deich", "nils", "technical_manager"];
    assert_eq!(
        told(&ok(&fixture, "nora", &delegate)),
        "park:deich delegated to user:nils as technical_manager"
    );
    assert!(allowed(&fixture, "nils"));

    assert_eq!(told(&ok(&fixture, "hanna", &["pause", id])), format!("cooperation {id} is paused"));
    assert!(!allowed(&fixture, "nils"));
    assert_eq!(told(&ok(&fixture, "hanna", &["resume", id])), format!("cooperation {id} is active"));
    assert!(allowed(&fixture, "nils"));
    let expire = ["expire", id, "2020-01-01T00:00:00Z"];
    assert_eq!(told(&ok(&fixture, "hanna", &expire)), format!("cooperation {id} is expired"));
    assert!(!allowed(&fixture, "nils"));
    assert_eq!(
        told(&ok(&fixture, "hanna", &["expire", id, "--never"])),
        format!("cooperation {id} is active")
    );
    assert!(allowed(&fixture, "nils"));

    let back = ["delegate", id, "park:deich", "nils", "--delete"];
    assert_eq!(ok(&fixture, "nora", &back), "park:deich is no longer delegated to user:nils\n");
    assert!(!allowed(&fixture, "nils") && allowed(&fixture, "nora"));
    let back = ["share", id, "park:deich", "--delete"];
    assert_eq!(ok(&fixture, "hanna", &back), "park:deich is no longer shared\n");
    assert!(!allowed(&fixture, "nora"));
    assert_eq!(ok(&fixture, "hanna", &["remove", id]), format!("cooperation {id} removed\n"));
    refused(&fixture, "hanna", &["show", id], "not_found");
}

#[test]
fn what_is_shown_of_a_cooperation() {
    let fixture = example();
    let id = cooperation(&fixture);
    let shown = format!(
        "\
cooperation: {id}
with:        nordwind
initiator:   helios
partner:     nordwind
status:      active
ends:        never
contacts:    hanna <hanna@x.example>
             nora <nora@x.example>

SHARED      ROLE               ENDS
park:deich  technical_manager  never
"
    );
    assert_eq!(ok(&fixture, "hanna", &["show", &id]), shown);
    let to_a_member = ok(&fixture, "nils", &["show", &id]);
    assert!(to_a_member.contains("with:        helios\n"), "{to_a_member}");
    assert!(!to_a_member.contains("contacts") && !to_a_member.contains("SHARED"), "{to_a_member}");

    let width = id.len();
    let list =
        format!("{:width$}  INITIATOR  WITH      STATUS  ENDS\n{id}  helios     nordwind  active\n", "ID");
    assert_eq!(ok(&fixture, "hanna", &["list", "helios"]), list);
    assert_eq!(ok(&fixture, "hanna", &["list", "helios", "--direction", "incoming"]), "no cooperations\n");
    assert_eq!(ok(&fixture, "hanna", &["list", "helios", "--search", "kestrel"]), "no cooperations\n");
    assert_eq!(ok(&fixture, "hanna", &["list", "helios", "--status", "paused"]), "no cooperations\n");
}

#[test]
fn who_has_access_and_how() {
    let fixture = example();
    let id = cooperation(&fixture);
    let end = ["delegate", &id, "park:deich", "nils", "viewer", "--expires-at", "2099-01-31T12:00:00Z"];
    ok(&fixture, "nora", &end);
    let from = format!("cooperation {id}");
    let width = from.len();
    let who = format!(
        "\
USER   ROLE               {:width$}  ENDS
hanna  operator           {:width$}  never
nils   viewer             {from}  2099-01-31T12:00:00Z
nora   technical_manager  {from}  never
",
        "FROM", "own"
    );
    assert_eq!(ok(&fixture, "hanna", &["who", "park:deich"]), who);
    let nils = format!(
        "RESOURCE    ROLE    {:width$}  ENDS\npark:deich  viewer  {from}  2099-01-31T12:00:00Z\n",
        "FROM"
    );
    assert_eq!(ok(&fixture, "nils", &["who", "user:nils"]), nils);
    assert_eq!(ok(&fixture, "walter", &["who", "user:walter"]), "no resources\n");
    refused(&fixture, "nora", &["who", "park:deich"], "forbidden");
}

#[test]
fn an_email_is_recognised_confirmed_or_stands_for_somebody_to_come() {
    let fixture = example();
    let invite = ["invite", "helios", "--email", "nils@x.example"];
    let asked = run(&fixture, "hanna", &invite);
    assert_eq!((asked.code, asked.out.as_str()), (2, ""));
    assert!(asked.error.starts_with("error: confirmation_required: "), "{}", asked.error);
    assert!(asked.error.contains("nordwind"), "{}", asked.error);
    assert!(
        asked.error.contains("help: if that organization is meant, run the same command with `--confirm ")
    );
    let confirmed = ok(&fixture, "hanna", &[&invite[..], &["--confirm", "nordwind"]].concat());
    assert!(told(&confirmed).ends_with(" is pending"), "{confirmed}");

    let unknown =
        ok(&fixture, "hanna", &["invite", "helios", "--email", "walter@x.example", "--language", "de"]);
    assert!(told(&unknown).ends_with(" is invited") && unknown.contains("\ninvitation "), "{unknown}");
    let id = unknown.split(' ').nth(1).unwrap();
    let founded = ok(&fixture, "walter", &["accept", id, "--found", "sonne", "--name", "Sonne GmbH"]);
    assert_eq!(told(&founded), format!("cooperation {id} is active"));
    assert!(ok(&fixture, "hanna", &["show", id]).contains("with:        Sonne GmbH\n"));
}

#[test]
fn refusals_are_told_with_their_codes_and_change_nothing() {
    let fixture = example();
    let id = cooperation(&fixture);
    let nobody = fixture.run(&["coop", "pause", &id]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.error.starts_with("error: actor_required: "), "{}", nobody.error);
    assert!(
        nobody.error.contains("(HTTP 400)\nhelp: say who does it with `--as USER`\n"),
        "{}",
        nobody.error
    );
    refused(&fixture, "nora", &["pause", &id], "initiator_only");
    refused(&fixture, "nils", &["accept", &id], "forbidden");
    refused(&fixture, "hanna", &["invite", "helios", "nordwind"], "cooperation_exists");
    refused(&fixture, "hanna", &["share", &id, "park:deich", "operator"], "role_not_shareable");
    refused(
        &fixture,
        "nora",
        &["delegate", &id, "park:deich", "nils", "asset_manager"],
        "role_not_grantable",
    );
    refused(&fixture, "nora", &["delegate", &id, "park:deich", "hanna", "viewer"], "not_a_member");
    refused(&fixture, "walter", &["show", &id], "not_found");
    refused(&fixture, "hanna", &["remove", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], "not_found");
    assert!(allowed(&fixture, "nils"));
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_sent() {
    let fixture = example();
    for arguments in [
        &["share", "c", "deich", "viewer"][..],
        &["share", "c", "park:a/b", "viewer"],
        &["share", "c", "park:deich", "king"],
        &["share", "c", "park:deich"],
        &["share", "c", "park:deich", "viewer", "--delete"],
        &["delegate", "c", "park:deich", "nils", "viewer", "--expires-at", "tomorrow"],
        &["expire", "c"],
        &["expire", "c", "+1d", "--never"],
        &["invite", "helios"],
        &["invite", "helios", "nordwind", "--email", "a@b.example"],
        &["who", "organization:helios"],
        &["pause", "a/b"],
    ] {
        let ended = run(&fixture, "hanna", arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.error.starts_with("error: "), "{arguments:?}: {}", ended.error);
    }
    assert_eq!(run(&fixture, "a b", &["pause", "c"]).code, 2);
}

#[test]
fn json_is_the_answer_of_the_server_as_it_is() {
    let fixture = example();
    let invited: Value =
        serde_json::from_str(&ok(&fixture, "hanna", &["invite", "helios", "nordwind", "--json"])).unwrap();
    assert_eq!((&invited["status"], &invited["initiator"]), (&json!("pending"), &json!("helios")));
    let id = invited["id"].as_str().unwrap();
    for (user, arguments) in [
        ("nora", &["accept", id][..]),
        ("hanna", &["share", id, "park:deich", "viewer"]),
        ("nora", &["delegate", id, "park:deich", "nils", "viewer"]),
        ("hanna", &["show", id]),
        ("hanna", &["list", "helios"]),
        ("hanna", &["who", "park:deich"]),
        ("nils", &["who", "user:nils"]),
    ] {
        let printed = ok(&fixture, user, &[arguments, &["--json"]].concat());
        assert_eq!(printed.matches('\n').count(), 1, "one line: {printed}");
        assert!(serde_json::from_str::<Value>(&printed).unwrap().is_object(), "{printed}");
    }
    assert_eq!(ok(&fixture, "hanna", &["remove", id, "--json"]), "");
}
