//! `tenure explain`: what it prints, and that the commands that it offers do what it says.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::BINARY;
use crate::commands::Fixture;

/// The example of the repository, in a store of its own.
fn example() -> Fixture {
    let fixture = Fixture::new();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let path = |name: &str| schema.join(name).to_str().unwrap().to_owned();
    fixture.ok(&["model", "write", &path("cooperation.fga")]);
    fixture.ok(&["write", "--file", &path("cooperation.fga.yaml")]);
    fixture
}

const NILS: [&str; 4] = ["explain", "user:nils", "technical_manager", "park:deich"];

#[test]
fn an_allowance_is_drawn_with_its_end_and_exits_with_0() {
    let fixture = example();
    fixture.ok(&[
        "write",
        "user:nils",
        "technical_manager_delegate",
        "park:deich",
        "--renew",
        "2099-01-01T00:00:00Z",
    ]);
    let ended = fixture.run(&NILS);
    assert_eq!((ended.code, ended.error.as_str()), (0, ""));
    assert_eq!(
        ended.out,
        "\
allowed (revision 4)
✓ park:deich#technical_manager ◂
└─ ✓ technical_manager_given ◂
   └─ ✓ all of ◂
      ├─ ✓ technical_manager_delegate: user:nils, until 2099-01-01T00:00:00Z ◂
      └─ ✓ partner_insider from technical_manager_share ◂
         └─ ✓ cooperation:upkeep#partner_insider: insider from partner ◂
            └─ ✓ organization:nordwind#insider ◂
               └─ ✓ member: user:nils ◂
stable until: 2099-01-01T00:00:00Z
ends:         2099-01-01T00:00:00Z
"
    );
    let later = fixture.run(&[&NILS[..], &["--at", "2099-01-01T00:00:00Z"]].concat());
    assert_eq!(later.code, 1);
    assert!(later.out.starts_with("denied at 2099-01-01T00:00:00Z (revision 4)\n"), "{}", later.out);
    assert!(
        later.out.contains("technical_manager_delegate: user:nils, expired 2099-01-01T00:00:00Z"),
        "{}",
        later.out
    );
    let renew = "tenure write user:nils technical_manager_delegate park:deich --renew 2099-01-31T00:00:00Z\n";
    assert!(later.out.contains(renew), "{}", later.out);
}

#[test]
fn a_denial_is_drawn_with_the_commands_that_turn_it_and_exits_with_1() {
    let fixture = example();
    fixture.ok(&["write", "organization:nordwind", "partner", "cooperation:upkeep", "--pause"]);
    let ended = fixture.run(&NILS);
    assert_eq!((ended.code, ended.error.as_str()), (1, ""));
    assert!(ended.out.starts_with("denied (revision 4)\n✗ park:deich#technical_manager\n"), "{}", ended.out);
    assert!(ended.out.contains("✗ organization:nordwind, paused\n"), "{}", ended.out);
    let first = "would be allowed by:
  1. cooperation:upkeep#partner@organization:nordwind is paused
     tenure write organization:nordwind partner cooperation:upkeep --resume
";
    assert!(ended.out.contains(first), "{}", ended.out);
    let full = fixture.run(&[&NILS[..], &["--full"]].concat()).out;
    assert!(full.lines().count() > ended.out.lines().count(), "{full}");
    assert!(!ended.out.contains('\x1b'), "no colours where nobody sees them");
}

#[test]
fn the_commands_that_are_offered_can_be_pasted_and_turn_the_denial() {
    let fixture = example();
    fixture.ok(&["write", "organization:nordwind", "partner", "cooperation:upkeep", "--pause"]);
    fixture.ok(&[
        "write",
        "user:nils",
        "member",
        "organization:nordwind",
        "--pause",
        "--renew",
        "2020-01-01T00:00:00Z",
    ]);
    fixture.ok(&["write", "user:a'b|$c", "member", "organization:nordwind"]);
    for subject in ["user:nils", "user:a'b|$c", "user:olaf"] {
        let question = [subject, "viewer", "park:deich"];
        let explained = fixture.run(&[&["explain"], &question[..]].concat()).out;
        let reason = explained.split_once("  1. ").unwrap().1.split("  2. ").next().unwrap();
        let commands: Vec<_> = reason.lines().filter_map(|line| line.strip_prefix("     tenure ")).collect();
        assert!(!commands.is_empty(), "{explained}");
        for command in commands {
            let line = format!("{BINARY} {command}");
            let mut shell = Command::new("bash");
            shell.args(["-c", &line]);
            fixture.lead_home(&mut shell);
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
        }
        let check = [&["check"], &question[..]].concat();
        assert_eq!(fixture.run(&check).code, 0, "{explained}");
    }
}

#[test]
fn json_is_the_answer_and_the_exit_code_stays_the_decision() {
    let fixture = example();
    let ended = fixture.run(&[&NILS[..], &["--json", "--at", "+30d"]].concat());
    assert_eq!(ended.code, 0);
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(answer["allowed"], true);
    assert_eq!(answer["tree"]["name"], "park:deich#technical_manager");
    assert_eq!(ended.out.matches('\n').count(), 1);
    let unanswered = fixture.run(&["explain", "user:nils", "eats", "park:deich"]);
    assert_eq!((unanswered.code, unanswered.out.as_str()), (2, ""));
    assert!(unanswered.error.starts_with("error: validation_error: "), "{}", unanswered.error);
    let malformed = fixture.run(&["explain", "nils", "viewer", "park:deich"]);
    assert_eq!(
        (malformed.code, malformed.error.as_str()),
        (2, "error: SUBJECT: `nils` has no `:`; expected `type:id`\n")
    );
}

#[test]
fn where_nothing_is_there_the_object_itself_is_drawn() {
    let fixture = example();
    let ended = fixture.run(&["explain", "user:xaver", "technical_manager", "park:heide"]);
    assert_eq!(ended.code, 1);
    let drawn = "\
✗ park:heide#technical_manager
├─ ✗ technical_manager_given
│  ├─ ✗ technical_manager_granted and insider from owner
│  ├─ ✗ technical_manager_delegate and partner_insider from technical_manager_share
│  └─ ✗ partner_admin from technical_manager_share (no tuple)
├─ ✗ technical_manager_baseline from owner
└─ ✗ technical_manager_given from portfolio (no tuple)
";
    assert!(ended.out.contains(drawn), "{}", ended.out);
}
