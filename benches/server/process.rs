//! Servers as processes of their own.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(60);
/// Length of a tick of `/proc/PID/stat`, in seconds: 100 a second on every Linux.
const TICK_S: f64 = 0.01;

pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// This program again, as the yardstick.
    pub fn echo() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::start(|address| {
            command.arg("echo").arg(address.to_string());
            command
        })
    }

    pub fn tenure(data: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        Self::start(|address| {
            command.arg("serve").arg("--data").arg(data);
            command.arg("--listen").arg(address.to_string()).args(options);
            command
        })
    }

    /// OpenFGA's own, with its caches on and its data in memory.
    pub fn openfga(program: &Path) -> Self {
        let grpc = free_address().to_string();
        let mut command = Command::new(program);
        Self::start(|address| {
            command.args(["run", "--playground-enabled=false", "--metrics-enabled=false"]);
            command.args(["--log-level", "error", "--grpc-addr", &grpc, "--http-addr", &address.to_string()]);
            command.args(["--check-query-cache-enabled", "--check-query-cache-limit", "1000000"]);
            command.args(["--check-query-cache-ttl", "1h", "--check-cache-limit", "1000000"]);
            command.args(["--check-iterator-cache-enabled", "--cache-controller-enabled"]);
            command
        })
    }

    fn start(command: impl FnOnce(SocketAddr) -> Command) -> Self {
        let address = free_address();
        let mut command = command(address);
        command
            .env("TENURE_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let mut server = Self { child: command.spawn().unwrap(), address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(began.elapsed() < START_MAX, "{command:?} does not listen");
            sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Processor time that it has taken so far, in seconds.
    pub fn processor_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name before it may have anything in it, but ends with the last bracket.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = |place: usize| fields.split_whitespace().nth(place).unwrap().parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) * TICK_S
    }

    /// The most memory that it has had, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
