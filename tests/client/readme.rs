//! The README and the guides are true: every command in them is run, in order, and answers what stands there.
//!
//! How their blocks are read:
//! - `console`: `$ ` begins a command and `> ` continues it; the other lines are its output, in which `…` stands for
//!   anything. Those up to the server's start are one terminal and those behind it another: each a shell of its own, in
//!   one directory that has the repository's `schema/` and, as after the build, the program in `target/release`. It is
//!   found only as the README says; a guide presupposes that.
//! - `sh`: only `make` with targets that exist.
//! - `python`: run where the SDK is installed; what it prints stands in the `text` block behind it.
//!
//! `127.0.0.1:8080` is replaced by where the test's own server listens.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::Program;
use crate::{BINARY, clean};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const ADDRESS: &str = "127.0.0.1:8080";

/// Ends the output of one command; no command prints it.
const END: &str = "\u{1e}end of a command\u{1e}";

struct Block {
    language: String,
    lines: Vec<String>,
}

struct Step {
    command: String,
    expected: Vec<String>,
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(name)).unwrap()
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in read(document).lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(language)) => {
                blocks.push(Block { language: language.to_owned(), lines: Vec::new() });
                inside = true;
            }
            (true, Some(_)) => inside = false,
            (true, None) => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            (false, None) => {}
        }
    }
    assert!(!inside, "a block is not closed");
    blocks
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in &block.lines {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), expected: Vec::new() });
            continue;
        }
        let step = steps.last_mut().expect("a console block begins with a command");
        match line.strip_prefix("> ") {
            Some(more) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => step.expected.push(line.clone()),
        }
    }
    steps
}

/// Whether a line of output is the one that stands in the README, where `…` is anything.
fn matches(expected: &str, actual: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected == actual };
    let Some(mut actual) = actual.strip_prefix(start) else { return false };
    let mut parts: Vec<_> = rest.split('…').collect();
    let end = parts.pop().unwrap();
    for part in parts {
        match actual.split_once(part) {
            Some((_, after)) => actual = after,
            None => return false,
        }
    }
    actual.ends_with(end)
}

/// Runs commands in one shell and answers the lines that each of them printed.
fn run(directory: &Path, address: &str, commands: &[String]) -> Vec<Vec<String>> {
    let mut script = String::from("set -u\n");
    for command in commands {
        script.push_str(&command.replace(ADDRESS, address));
        // A line of its own, also behind an answer that does not end one.
        script.push_str(&format!("\nprintf '\\n%s\\n' '{END}'\n"));
    }
    let mut shell = clean("bash")
        .current_dir(directory)
        .env("TENURE_SERVER", format!("http://{address}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(directory.join("shell.log")).unwrap())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let errors = fs::read_to_string(directory.join("shell.log")).unwrap();
    assert_eq!(errors, "", "a command of the document printed errors");
    let text = String::from_utf8(output.stdout).unwrap().replace(address, ADDRESS);
    let outputs: Vec<_> =
        text.split(END).map(|part| part.trim_matches('\n').lines().map(str::to_owned).collect()).collect();
    outputs[..outputs.len() - 1].to_vec()
}

fn has_sdk() -> bool {
    let import = Command::new("python3").args(["-c", "import openfga_sdk"]).stderr(Stdio::null()).status();
    import.is_ok_and(|status| status.success())
}

/// Where the program is after the build.
const BUILT: &str = "export PATH=\"$PWD/target/release:$PATH\"";

#[test]
fn every_command_of_the_readme_answers_what_stands_there() {
    play("README.md", None);
}

#[test]
fn every_command_of_the_story_of_a_cooperation_answers_what_stands_there() {
    play("docs/cooperations.md", Some(BUILT));
}

/// Runs a document's commands behind one that is not in it.
fn play(document: &str, first: Option<&str>) {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    symlink(Path::new(REPOSITORY).join("schema"), directory.join("schema")).unwrap();
    fs::create_dir(directory.join("target")).unwrap();
    symlink(Path::new(BINARY).parent().unwrap(), directory.join("target/release")).unwrap();

    let mut server = None;
    let terminal = || {
        let commands: Vec<String> = first.iter().map(|first| (*first).to_owned()).collect();
        let expected: Vec<Vec<String>> = commands.iter().map(|_| Vec::new()).collect();
        (commands, expected)
    };
    let mut terminals = [terminal(), terminal()];
    let sdk = has_sdk();
    let blocks = blocks(document);
    for (index, block) in blocks.iter().enumerate() {
        let (commands, expected) = &mut terminals[usize::from(server.is_some())];
        match block.language.as_str() {
            "console" => {
                for step in steps(block) {
                    if let Some(data) = step.command.strip_prefix("tenure serve --data ") {
                        assert!(server.is_none(), "a document starts one server");
                        assert_eq!(step.expected, [format!("listening on http://{ADDRESS}")]);
                        server = Some(Program::start(&directory.join(data), &[]));
                        // It was found by what was said so far.
                        commands.push("command -v tenure".to_owned());
                        expected.push(vec!["…/target/release/tenure".to_owned()]);
                    } else {
                        commands.push(step.command);
                        expected.push(step.expected);
                    }
                }
            }
            "python" if sdk => {
                let file = format!("block{index}.py");
                let address = &server.as_ref().expect("a server runs").address;
                let program = block.lines.join("\n").replace(ADDRESS, address);
                fs::write(directory.join(&file), program).unwrap();
                commands.push(format!("python3 {file}"));
                let printed = &blocks[index + 1];
                assert_eq!(printed.language, "text", "what a Python block prints stands behind it");
                expected.push(printed.lines.clone());
            }
            "python" => println!("skipped: the Python block, as openfga_sdk is not installed"),
            "sh" | "text" | "mermaid" => {}
            other => panic!("a block in `{other}` would not be tested"),
        }
    }
    let server = server.expect("a document starts a server");
    for (commands, expected) in &terminals {
        let outputs = run(directory, &server.address, commands);
        assert_eq!(outputs.len(), commands.len());
        for ((command, expected), output) in commands.iter().zip(expected).zip(&outputs) {
            let same =
                expected.len() == output.len() && expected.iter().zip(output).all(|(e, o)| matches(e, o));
            assert!(same, "$ {command}\nexpected:\n{}\nfound:\n{}\n", expected.join("\n"), output.join("\n"));
        }
    }
}

#[test]
fn its_make_targets_exist() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    for block in blocks("README.md").iter().filter(|block| block.language == "sh") {
        for line in &block.lines {
            let target = line.strip_prefix("make ").unwrap_or_else(|| panic!("not a make target: {line}"));
            assert!(targets.contains(target), "make {target}");
        }
    }
}

#[test]
fn it_names_every_setting_of_the_server_and_no_other() {
    let help = clean(BINARY).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    // A line of the help that defines a flag begins with it.
    let real: BTreeSet<_> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|line| line.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap().to_owned())
        .collect();
    let readme = read("README.md");
    let named: BTreeSet<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `--")?.split_once('`'))
        .map(|(flag, _)| flag.to_owned())
        .collect();
    let besides = BTreeSet::from(["config".to_owned()]);
    assert_eq!(named.union(&besides).cloned().collect::<BTreeSet<_>>(), real);
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(matches("a", "a") && !matches("a", "b"));
    assert!(matches("a … c", "a b c") && matches("…", "") && matches("a … c … e", "a b c d e"));
    assert!(!matches("a … c", "a b d") && !matches("a … c … e", "a b d e") && !matches("x…", "a"));
}
