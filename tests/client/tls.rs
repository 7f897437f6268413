//! TLS: the certificate that the server shows, how it is renewed, and clients' own.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::commands::Ended;
use crate::program::{Program, command, fails};
use crate::{BINARY, clean};

/// Somebody who signs certificates.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A directory with `ca.pem`, `cert.pem` and `key.pem`.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.renew();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Another certificate, by another authority.
    fn renew(&self) {
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        fs::write(self.path("ca.pem"), authority.pem()).unwrap();
        fs::write(self.path("cert.pem"), cert.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
    }

    fn serve(&self, more: &[&str]) -> Program {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        let arguments = [&["--tls-cert", &cert, "--tls-key", &key], more].concat();
        Program::start(&self.path("data"), &arguments)
    }

    fn list(&self, server: &Program, ca: &Path) -> Ended {
        let mut command = clean(BINARY);
        command
            .args(["store", "list", "--server", &format!("https://{}", server.address), "--ca-file"])
            .arg(ca);
        command.output().unwrap().into()
    }
}

#[test]
fn requests_are_answered_by_tls_to_who_trusts_the_certificate() {
    let files = Files::new();
    let mut server = files.serve(&[]);
    let listed = files.list(&server, &files.path("ca.pem"));
    assert_eq!((listed.code, listed.out.as_str(), listed.error.as_str()), (0, "no stores\n", ""));
    let other = Files::new();
    let distrusted = files.list(&server, &other.path("ca.pem"));
    assert_eq!(distrusted.code, 2);
    assert!(distrusted.error.contains("certificate"), "{}", distrusted.error);
    // One that says nothing, and one that speaks something else, keep nobody from being served.
    let silent = TcpStream::connect(&server.address).unwrap();
    let mut plain = TcpStream::connect(&server.address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(files.list(&server, &files.path("ca.pem")).code, 0);
    let began = Instant::now();
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "a handshake that was begun keeps it from stopping");
    drop((silent, plain));
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_never() {
    let files = Files::new();
    let server = files.serve(&[]);
    let first = files.path("first.pem");
    fs::copy(files.path("ca.pem"), &first).unwrap();
    let eventually = |ca: &Path| {
        let began = Instant::now();
        while files.list(&server, ca).code != 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "it is not shown");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    eventually(&first);
    fs::write(files.path("cert.pem"), "no certificate").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(files.list(&server, &first).code, 0, "the old one is shown on");
    files.renew();
    eventually(&files.path("ca.pem"));
    assert_eq!(files.list(&server, &first).code, 2);
    // A key that is not the certificate's.
    fs::write(files.path("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(files.list(&server, &files.path("ca.pem")).code, 0);
}

#[test]
fn where_clients_need_a_certificate_one_without_is_not_served() {
    let files = Files::new();
    let ca = files.text("ca.pem");
    let server = files.serve(&["--tls-client-ca", &ca]);
    let refused = files.list(&server, &files.path("ca.pem"));
    assert_eq!(refused.code, 2);
    assert!(!refused.error.contains("validation"), "{}", refused.error);
}

#[test]
fn what_is_no_certificate_is_told_at_the_start() {
    let files = Files::new();
    let (data, cert, key) = (files.text("data"), files.text("cert.pem"), files.text("key.pem"));
    let start = |arguments: &[&str]| {
        fails(command(&[&["--data", &data, "--listen", "127.0.0.1:0"], arguments].concat()))
    };
    for (arguments, part) in [
        (["--tls-cert", &cert].as_slice(), "`tls_cert` is given; expected `tls_key` as well"),
        (&["--tls-key", &key], "`tls_key` is given; expected `tls_cert` as well"),
        (&["--tls-client-ca", &cert], "expected `tls_cert` and `tls_key` as well"),
        (&["--tls-cert", &key, "--tls-key", &key], "key.pem`: expected a certificate in PEM, found none"),
        (&["--tls-cert", &cert, "--tls-key", &cert], "cert.pem`: expected a private key in PEM"),
        (&["--tls-cert", "/nowhere.pem", "--tls-key", &key], "cannot read `/nowhere.pem`"),
    ] {
        let (code, message) = start(arguments);
        assert_ne!(code, 0);
        assert!(message.contains(part), "{part}: {message}");
    }
    let other = Files::new();
    let (_, message) = start(&["--tls-cert", &cert, "--tls-key", &other.text("key.pem")]);
    assert!(message.contains("cannot use the certificate in"), "{message}");
}
