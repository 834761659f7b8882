//! How much memory a vault and its client need for a long content over TLS: each a process of its own, the peak of each above its idle size.
//!
//! ```sh
//! cargo run --release -p careledger-vault --example http_memory -- [GiB, default 4] [directory, default the system's temporary one]
//! ```
//!
//! The vault is the whole server on the local disk, beside a stand-in for its peer, which shows one committed access. The client uploads the content,
//! fetches and verifies all of it, then a range of its middle half. Peaks are `VmHWM` of each stream alone (`/proc/<pid>/clear_refs`). Exits 1 where one
//! is more than 64 MiB above idle. Linux only.

#[path = "../tests/long_content/mod.rs"]
mod long_content;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use careledger_sdk::sealing::KemKeyPair;

use self::long_content::{Client, DOCUMENT, FIRST, Memory, Result, drain, found, serve};

const GIB: u64 = 1 << 30;
/// What either process may need above idle, KiB.
const MOST: u64 = 64 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [word, dir, kem] if word == "serve" => vault(Path::new(dir), kem).await,
        _ => measure(&args).await,
    }
}

/// The vault's process: until its standard input ends.
async fn vault(dir: &Path, kem: &str) -> Result<()> {
    let server = serve(dir, serde_json::from_str(kem)?).await?;
    println!("{}", server.address());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.stop().await;
    Ok(())
}

/// The client's process.
async fn measure(args: &[String]) -> Result<()> {
    let gib: u64 = args.first().map_or(Ok(4), |n| n.parse())?;
    let parent = args.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let (dir, size) = (tempfile::tempdir_in(parent)?, gib * GIB);
    let kem = KemKeyPair::generate();
    found(dir.path())?;
    let mut vault = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(dir.path())
        .arg(serde_json::to_string(&kem.public())?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = vault.stdout.take().ok_or("the vault's process has no output")?;
    let address = BufReader::new(said)
        .lines()
        .next()
        .ok_or("the vault did not start")??;
    let processes = [vault.id().to_string(), "self".to_owned()];
    let client = Client::new(dir.path(), &address)?;
    client.upload(FIRST, 1 << 20).await?;

    let phase = Phase::begin("upload", &processes)?;
    client.upload(DOCUMENT, size).await?;
    let mut within = phase.end(size)?;
    let record = client.released(&kem).await?;
    let phase = Phase::begin("fetch and verify", &processes)?;
    let read = drain(record.stream()).await?;
    within &= phase.end(read)?;
    let range = size / 4..size / 4 * 3;
    let phase = Phase::begin("fetch and verify a range", &processes)?;
    let part = drain(record.range(range.clone())?).await?;
    within &= phase.end(part)?;

    drop(vault.stdin.take());
    vault.wait()?;
    if read != size || part != range.end - range.start {
        return Err(format!("{read} bytes came back of {size}, {part} of the range").into());
    }
    if !within {
        return Err("a process needed more than 64 MiB above idle".into());
    }
    Ok(())
}

/// One stream's time, and memory in both processes.
struct Phase {
    what: &'static str,
    memory: Vec<Memory>,
    begun: Instant,
}

impl Phase {
    fn begin(what: &'static str, processes: &[String]) -> Result<Self> {
        let memory = processes.iter().map(|process| Memory::begin(process));
        Ok(Self {
            what,
            memory: memory.collect::<Result<_>>()?,
            begun: Instant::now(),
        })
    }

    /// Prints the peaks; whether all are within bounds.
    fn end(self, size: u64) -> Result<bool> {
        let wall = self.begun.elapsed().as_secs_f64();
        let mut line = format!("{}: {:.2} GB in {wall:.1} s", self.what, size as f64 / 1e9);
        let mut within = true;
        for (memory, who) in self.memory.iter().zip(["vault", "client"]) {
            let (idle, grown) = memory.end()?;
            let mib = |kib: u64| kib as f64 / 1024.0;
            line += &format!("; {who} {:.1} MiB above {:.1} MiB idle", mib(grown), mib(idle));
            within &= grown <= MOST;
        }
        println!("{line}");
        Ok(within)
    }
}
