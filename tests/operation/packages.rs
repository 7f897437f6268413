//! What a package consists of: completions, manual pages, the systemd unit, the image.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::Program;
use crate::{BINARY, ok, repository, run};

/// Every command that `--help` lists, as the words behind `tenure`.
fn commands() -> BTreeSet<Vec<String>> {
    fn below(words: Vec<String>, found: &mut BTreeSet<Vec<String>>) {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = ok(&arguments);
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
        let listed = listed.lines().take_while(|line| line.starts_with(' '));
        // What goes on in a second line is indented further.
        let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            let words = [words.clone(), vec![name.to_owned()]].concat();
            below(words.clone(), found);
            found.insert(words);
        }
    }
    let mut found = BTreeSet::new();
    below(Vec::new(), &mut found);
    assert!(found.len() > 40, "{found:?}");
    found
}

/// Runs a shell on a script, if there is one here; the standard output.
fn shell(program: &str, script: &str) -> Option<String> {
    let spawned = Command::new(program)
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("NOT RUN: there is no {program} here");
        return None;
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn completions_know_every_command() {
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ok(&["completions", name]);
        for words in commands() {
            let last = words.last().unwrap();
            assert!(script.contains(last.as_str()), "{name} does not know {words:?}");
        }
    }
}

#[test]
fn completions_complete_in_a_shell() {
    let script = ok(&["completions", "bash"]);
    let ask =
        "\nCOMP_WORDS=(tenure store cre)\nCOMP_CWORD=2\n_tenure tenure cre store\necho \"${COMPREPLY[@]}\"\n";
    let completed = shell("bash", &(script + ask));
    assert_eq!(completed.expect("every system that this is built on has bash"), "create\n");
}

#[test]
fn an_unknown_shell_is_told_which_there_are() {
    let output = run(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[possible values: bash, elvish, fish"));
}

#[test]
fn every_command_has_a_manual_page_and_nothing_else_does() {
    let directory = TempDir::new().unwrap();
    let pages = directory.path().join("man/man1");
    assert_eq!(ok(&["man", "--dir", pages.to_str().unwrap()]), "");
    let written: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected: BTreeSet<String> =
        commands().into_iter().map(|words| format!("tenure-{}.1", words.join("-"))).collect();
    expected.insert("tenure.1".to_owned());
    assert_eq!(written, expected);

    let serve = fs::read_to_string(pages.join("tenure-serve.1")).unwrap();
    for part in [
        concat!(".TH tenure-serve 1  \"tenure ", env!("CARGO_PKG_VERSION"), "\" Tenure"),
        "request\\-timeout\\-ms",
        "TENURE_DATA",
    ] {
        assert!(serve.contains(part), "{part}");
    }
    assert_eq!(ok(&["man", "serve"]), serve, "a page on stdout is the one of the directory");
    assert_eq!(ok(&["man"]), fs::read_to_string(pages.join("tenure.1")).unwrap());
}

#[test]
fn a_manual_page_that_there_cannot_be_is_refused_with_its_name() {
    let output = run(&["man", "store", "paint"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: `store` has no command `paint`\n");
    let output = run(&["man", "--dir", "/proc/tenure"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.starts_with("error: cannot write the manual pages into `/proc/tenure`: "), "{error}");
}

#[test]
fn health_is_the_answer_of_the_server() {
    let directory = TempDir::new().unwrap();
    let program = Program::start(directory.path(), &[]);
    let server = format!("http://{}", program.address);
    assert_eq!(ok(&["health", "--server", &server]), "healthy\n");
    assert_eq!(ok(&["health", "--server", &server, "--ready"]), "ready\n");
    drop(program);
    let output = run(&["health", "--server", &server]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
}

#[test]
fn a_server_that_does_not_answer_is_not_healthy_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let began = std::time::Instant::now();
    let output = run(&["health", "--server", &server, "--timeout-s", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn systemd_takes_the_unit_as_it_is() {
    let unit = fs::read_to_string(repository("deploy/tenure.service")).unwrap();
    let directory = TempDir::new().unwrap();
    // Where the program is installed, it is not here.
    let path = directory.path().join("tenure.service");
    fs::write(&path, unit.replace("/usr/local/bin/tenure", BINARY)).unwrap();
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output();
    let Ok(verified) = verified else { return println!("NOT RUN: there is no systemd-analyze here") };
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    // It looks at the units of this machine as well; only what it says of this one counts.
    let of_ours: Vec<&str> = text.lines().filter(|line| line.contains("tenure")).collect();
    assert_eq!(of_ours, Vec::<&str>::new());
}

#[test]
fn the_image_is_pinned_and_runs_without_rights() {
    let text = fs::read_to_string(repository("Dockerfile")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for image in lines.iter().filter_map(|line| line.strip_prefix("ARG ")?.split_once('=')) {
        let (_, tag) = image.1.split_once(':').unwrap();
        assert!(
            tag.starts_with(|c: char| c.is_ascii_digit()) && tag.contains('.'),
            "{image:?} is not pinned"
        );
    }
    let user = lines.iter().rposition(|line| line.starts_with("USER ")).unwrap();
    assert!(!lines[user].contains("root") && !lines[user].ends_with(" 0"), "{}", lines[user]);
    assert!(lines.iter().skip(user).any(|line| line.starts_with("ENTRYPOINT")), "it runs as that user");
    // Each setting in it is one that the program has.
    let help = ok(&["serve", "--help"]);
    let settings = text.split_whitespace().filter_map(|word| word.split_once('='));
    let settings: Vec<&str> =
        settings.map(|(name, _)| name).filter(|name| name.starts_with("TENURE_")).collect();
    assert_eq!(settings.len(), 4);
    for name in settings {
        assert!(help.contains(&format!("[env: {name}=")), "{name}");
    }
    // And what it asks whether the server lives.
    let check =
        lines.iter().find_map(|line| line.split_once("HEALTHCHECK ")?.1.split_once("CMD ")).unwrap().1;
    let words: Vec<String> = serde_json::from_str(check).unwrap();
    assert_eq!((words[0].as_str(), words[1].as_str()), ("tenure", "health"));
    let ended = run(&words.iter().skip(1).map(String::as_str).chain(["--help"]).collect::<Vec<_>>());
    assert_eq!(ended.status.code(), Some(0));
}
