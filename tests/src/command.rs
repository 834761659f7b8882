//! The `careledger` program as users run it: a process with its output, to be interrupted or killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use fabric_node::NetworkSummary;

use crate::engine::Engine;

/// How long a network may take to say `ready` on a busy machine.
const START: Duration = Duration::from_secs(120);

/// The program of this build: the one that the environment variable CARELEDGER_PROGRAM names, else built once here.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("CARELEDGER_PROGRAM") {
            return PathBuf::from(path);
        }
        // target/<profile>/deps/<test> -> target/<profile>/careledger
        let test = std::env::current_exe().expect("a test knows its own program");
        let profile = test
            .ancestors()
            .nth(2)
            .expect("a test lies two levels below the profile's directory");
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "--package",
            "careledger",
            "--bin",
            "careledger",
        ]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo runs");
        assert!(built.success(), "the careledger program does not build");
        profile.join("careledger")
    })
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Output {
    Command::new(program())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// A running `careledger network up`.
#[derive(Debug)]
pub struct Running {
    child: Child,
    dir: PathBuf,
    _stdout: mpsc::Receiver<String>,
}

/// A health network for commands: this test's own embedded one, or real Fabric's, which goes on after the test.
#[derive(Debug)]
pub struct HealthNetwork(Option<Running>);

impl HealthNetwork {
    /// On the engine that the environment names (see [`Engine`]), with `dir` as its directory; a link, where the network is another one's.
    pub fn start(dir: &Path) -> Self {
        match Engine::of_environment() {
            Engine::Embedded => Self(Some(Running::start(dir, &["--base-port", "0"]))),
            Engine::Fabric(network) => {
                let network = network.canonicalize().expect("a network's directory");
                std::os::unix::fs::symlink(network, dir).expect("a link to the network");
                Self(None)
            }
        }
    }

    /// Stops it and starts it again, if it is the test's own.
    #[must_use]
    pub fn restarted(self) -> Self {
        let Some(running) = self.0 else { return Self(None) };
        let dir = running.dir.clone();
        assert!(running.stop().success(), "the network ends well");
        Self::start(&dir)
    }

    /// Stops it, if it is the test's own; tells whether it was.
    pub fn stop(self) -> bool {
        let Some(running) = self.0 else { return false };
        assert!(running.stop().success(), "the network ends well");
        true
    }
}

impl Running {
    /// Starts `network up` in `dir` with more arguments and waits for its line `ready`. What it writes to stderr goes to `dir`'s
    /// neighbour `<dir>.log`.
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        command
            .args(["network", "up", "--dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::null());
        Self::spawn(dir, command)
    }

    /// Starts any program that runs a network in `dir` and says `ready` on a line of its own.
    pub fn spawn(dir: &Path, mut command: Command) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(Self::log_of(dir))
            .expect("a log file");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let lines = lines(child.stdout.take().expect("stdout is piped"));
        loop {
            match lines.recv_timeout(START) {
                Ok(line) if line == "ready" => break,
                Ok(_) => {}
                Err(_) => {
                    let _gone = child.kill();
                    panic!(
                        "the network did not start: {}",
                        std::fs::read_to_string(Self::log_of(dir)).unwrap_or_default()
                    );
                }
            }
        }
        Self {
            child,
            dir: dir.to_owned(),
            _stdout: lines,
        }
    }

    /// Where its stderr goes.
    pub fn log_of(dir: &Path) -> PathBuf {
        dir.with_extension("log")
    }

    /// Its endpoints and files.
    pub fn summary(&self) -> NetworkSummary {
        let bytes =
            std::fs::read(self.dir.join("network.json")).expect("a ready network has written its summary");
        serde_json::from_slice(&bytes).expect("the summary is JSON")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would kill a process: SIGKILL, no goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is there to be killed");
        self.child.wait().expect("a killed process can be waited for");
    }

    /// Interrupts it as an administrator does (SIGTERM) and waits for its end.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(asked.success());
        self.child.wait().expect("a stopped process can be waited for")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

/// The lines of a process's output, read on a thread so that a full pipe never stops the process.
pub fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// Everything a process says until its end.
pub fn drain(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("output is UTF-8");
    text
}
