//! The configuration: where a setting comes from, and what is refused.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::tempdir;

use crate::program::{Program, command, fails, read_answer};

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
    refused("header_read_timeout_ms = 0\n", "`header_read_timeout_ms` is 0; expected at least 1 millisecond");
    refused("watch_heartbeat_ms = 0\n", "`watch_heartbeat_ms` is 0; expected 1 to 3600000");
    refused("watch_heartbeat_ms = 3600001\n", "`watch_heartbeat_ms` is 3600001; expected 1 to 3600000");
    refused("watches_max = 0\n", "`watches_max` is 0; expected 1 to 1000000");
    refused("body_bytes_max = 0\n", "`body_bytes_max` is 0; expected at least 1 byte");
    refused("evaluation_depth_max = 0\n", "`evaluation_depth_max` is 0; expected at least 1 hop");
    refused("evaluation_reads_max = 0\n", "`evaluation_reads_max` is 0; expected at least 1 read");
    refused("concurrent_requests_max = 0\n", "`concurrent_requests_max` is 0; expected 1 to 1000000");
    refused(
        "listen = \"8080\"\n",
        "`listen` is `8080`; expected IP:PORT or NAME:PORT, such as 127.0.0.1:8080",
    );
    refused(
        "cors_origins = [\"app.example\"]\n",
        "`cors_origins`: `app.example` is no origin such as `https://",
    );
    refused(
        "authzen_store = \"x\"\n",
        "`authzen_store` is `x`; expected the id of a store, as `tenure store list` shows it",
    );
    refused(
        "authzen_base_url = \"api.example\"\n",
        "`authzen_base_url`: `api.example` is no base URL such as `https://tenure.example`",
    );
    refused(
        "allowed_hosts = [\"a:80\"]\n",
        "`allowed_hosts`: `a:80` is no name such as `tenure` or `tenure.example`",
    );
    refused("key_requests_per_second = 0\n", "`key_requests_per_second` is 0; expected 1 to 1000000");
    refused(
        "key_concurrent_requests = 1000001\n",
        "`key_concurrent_requests` is 1000001; expected 1 to 1000000",
    );
    refused("queries_at_once = 0\n", "`queries_at_once` is 0; expected 1 to 1000000");
    refused("connections_max = 0\n", "`connections_max` is 0; expected 1 to 1000000");
    refused("log = \"a=b=c\"\n", "`log` is no filter such as `info`");
    refused("log = \"tenure=debug, inof\"\n", "`log` has `inof`, which is no level; expected off, error");
}

#[test]
fn a_flag_that_is_wrong_is_told_the_form() {
    let error = |arguments: &[&str]| {
        let (code, message) = fails(command(&[&["--data", "unused"], arguments].concat()));
        assert_eq!(code, 2, "{message}");
        message
    };
    assert_eq!(
        error(&["--request-timeout-ms", "0"]),
        "error: `request_timeout_ms` is 0; expected at least 1 millisecond\n"
    );
    for flag in ["--request-timeout-ms", "--header-read-timeout-ms", "--grace-period-ms"] {
        let message = error(&[flag, "3s"]);
        assert!(
            message.contains(flag) && message.contains("a whole number of milliseconds, such as 3000"),
            "{message}"
        );
    }
    for address in ["8081", ":8081"] {
        let message = error(&["--listen", address]);
        assert!(
            message.starts_with(&format!("error: `listen` is `{address}`; expected IP:PORT")),
            "{message}"
        );
    }
}

#[test]
fn a_name_to_listen_on_is_looked_up() {
    let directory = tempdir().unwrap();
    let program = Program::start(&directory.path().join("data"), &["--listen", "localhost:0"]);
    assert_eq!(program.send("GET", "/healthz", "").0, 200);
}

#[test]
fn the_environment_may_say_yes_in_several_ways() {
    let directory = tempdir().unwrap();
    for yes in ["1", "true", "yes"] {
        let program = Program::start_with(
            &directory.path().join("data"),
            &["--listen", "0.0.0.0:0"],
            Some(("TENURE_INSECURE_NO_AUTH", yes)),
        );
        assert!(program.address.starts_with("0.0.0.0:"));
    }
}

#[test]
fn web_pages_are_allowed_by_the_flag_the_environment_or_the_file() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("tenure.toml");
    fs::write(&file, "cors_origins = [\"https://a.example\", \"https://b.example\"]\n").unwrap();
    let data = directory.path().join("data");
    let listed = "https://a.example,https://b.example";
    for (arguments, environment) in [
        (vec!["--cors-origins", listed], None),
        (vec![], Some(("TENURE_CORS_ORIGINS", listed))),
        (vec!["--config", file.to_str().unwrap()], None),
    ] {
        let program = Program::start_with(&data, &arguments, environment);
        let status = |origin: &str| {
            let mut stream = program.connect();
            let head = format!(
                "GET /stores HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            read_answer(stream).0
        };
        let statuses = ["https://a.example", "https://b.example", "https://c.example"].map(status);
        assert_eq!(statuses, [200, 200, 403]);
    }
}

#[test]
fn a_server_without_keys_is_called_by_its_own_names_only_where_it_listens_for_this_machine() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let base = ["--authzen-base-url", "https://tenure.example/authzen"];
    for (arguments, environment, expected) in [
        (vec![], None, [200, 403, 403]),
        (base.to_vec(), None, [200, 200, 403]),
        (vec!["--insecure-no-auth"], None, [200, 403, 403]),
        (vec![], Some(("TENURE_ALLOWED_HOSTS", "x,other.example")), [200, 403, 200]),
        (vec!["--allowed-hosts", "*"], None, [200, 200, 200]),
        (vec!["--insecure-no-auth", "--listen", "0.0.0.0:0"], None, [200, 200, 200]),
    ] {
        let program = Program::start_with(&data, &arguments, environment);
        let port = program.address.rsplit(':').next().unwrap();
        let status = |host: &str| {
            let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
            let head = format!("GET /stores HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            read_answer(stream).0
        };
        assert_eq!(["localhost", "tenure.example", "other.example"].map(status), expected, "{arguments:?}");
    }
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
        |bytes| format!("invalid request body: it is too large; at most {bytes} bytes are allowed");
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
        "--cors-origins <ORIGINS>",
    ] {
        assert!(help.contains(expected), "{expected}\n{help}");
    }
}
