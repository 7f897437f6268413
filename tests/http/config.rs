//! The configuration: where a setting comes from, and what is refused.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::program::{Program, command, fails};

/// Starting with this configuration file fails with this in its one line.
#[track_caller]
fn refused(text: &str, expected: &str) {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tenure.toml");
    fs::write(&file, text).unwrap();
    let (code, message) = fails(command(&["--config", file.to_str().unwrap(), "--data", "unused"]));
    assert_eq!(code, 2, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    let expected = expected.replace("FILE", &file.display().to_string());
    assert!(message.starts_with(&format!("error: {expected}")), "{message}");
    assert!(!Path::new("unused").exists());
}

#[test]
fn a_file_that_is_wrong_is_refused_by_the_name_of_the_setting() {
    refused(
        "request_timeout_ms = 5\nrequest_timeout = 3\n",
        "the configuration file `FILE` is wrong in line 2, `request_timeout = 3`: unknown field `request_timeout`",
    );
    refused(
        "\nbody_bytes_max = \"large\"\n",
        "the configuration file `FILE` is wrong in line 2, `body_bytes_max = \"large\"`: invalid type",
    );
    refused("listen = ", "the configuration file `FILE` is wrong in line 1, `listen =`: ");
    refused("request_timeout_ms = 0\n", "`request_timeout_ms` is 0; expected at least 1 millisecond");
    refused("connections_max = 0\n", "`connections_max` is 0; expected 1 to 1000000");
    refused("log = \"a=b=c\"\n", "`log` is no filter such as `info`");
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let (code, message) = fails(command(&["--config", "/nowhere/tenure.toml"]));
    assert_eq!(code, 2);
    assert!(
        message.starts_with("error: cannot read the configuration file `/nowhere/tenure.toml`: "),
        "{message}"
    );
}

#[test]
fn a_data_directory_must_be_given() {
    let (code, message) = fails(command(&[]));
    assert_eq!(code, 2);
    assert!(message.contains("--data DIR") && message.contains("TENURE_DATA"), "{message}");
}

#[test]
fn an_address_that_others_reach_is_refused_without_consent() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let (code, message) = fails(command(&["--data", data.to_str().unwrap(), "--listen", address]));
        assert_eq!(code, 2);
        assert!(message.contains(&format!("`listen` is {address}")), "{message}");
        assert!(message.contains("--insecure-no-auth"), "{message}");
    }
    assert!(!data.exists());
    let program = Program::start(&data, &["--insecure-no-auth", "--listen", "0.0.0.0:0"]);
    assert!(program.address.starts_with("0.0.0.0:"));
}

#[test]
fn a_flag_goes_before_the_environment_which_goes_before_the_file() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tenure.toml");
    fs::write(&file, "body_bytes_max = 10\nlisten = \"192.0.2.1:1\"\n").unwrap();
    let limit = |environment: Option<&str>, flag: Option<&str>| {
        let data = directory.path().join("data");
        let mut arguments = vec!["--config", file.to_str().unwrap()];
        if let Some(value) = flag {
            arguments.extend(["--body-bytes-max", value]);
        }
        let program =
            Program::start_with(&data, &arguments, environment.map(|value| ("TENURE_BODY_BYTES_MAX", value)));
        let (status, answer) = program.send("POST", "/stores", &format!("{{{}", " ".repeat(100)));
        assert_eq!(status, 400);
        answer["message"].as_str().unwrap().to_owned()
    };
    let expected =
        |bytes| format!("invalid the request body: it is too large; at most {bytes} bytes are allowed");
    assert_eq!(limit(None, None), expected(10));
    assert_eq!(limit(Some("20"), None), expected(20));
    assert_eq!(limit(Some("20"), Some("30")), expected(30));
}

#[test]
fn help_shows_every_setting_with_its_unit_and_default() {
    let output = command(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help: String =
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "--data <DIR>",
        "[env: TENURE_DATA=]",
        "[default: 127.0.0.1:8080]",
        "in milliseconds [default: 3000]",
        "in bytes [default: 616448]",
        "[default: 1024]",
        "[default: 10000]",
        "in milliseconds [default: 30000]",
        "in hops [default: 25]",
        "[default: 1000000]",
        "--log-format <FORMAT>",
        "--insecure-no-auth",
    ] {
        assert!(help.contains(expected), "{expected}\n{help}");
    }
}
