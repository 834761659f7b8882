//! How fast the vault encrypts and anchors, how fast a requester fetches and verifies, and in how much memory.
//!
//! ```sh
//! cargo run --release -p careledger-vault --example throughput -- [GiB, default 4] [directory, default the system's temporary one]
//! ```
//!
//! - reference: SHA-256 and then AES-256-GCM over the same 64 KiB buffer, one after the other on one thread: what the machine can do at most
//!   when both must be computed over every byte (by processor time too, so that other programs' load does not flatter the ratio);
//! - encrypt and anchor: a stream to its encrypted file and its commitment, the file dropped as it comes;
//! - the same, kept: `Store::put` onto the local disk, synced; most of what it takes more is the kernel's writing;
//! - fetch and verify: the kept file read back, every chunk authenticated and proven against the opening.
//!
//! Per core: bytes by the processor time of the whole process, on all its threads. Memory: the peak resident set during each stream above the
//! resident set before it (`VmHWM`, `VmRSS`). Linux only.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use careledger_api::ids::{DocumentId, Salt};
use careledger_sdk::vault::Sealer;
use careledger_sdk::vault::cipher::new_dek;
use careledger_sdk::vault::format::CHUNK;
use careledger_vault::kek::FileKey;
use careledger_vault::store::Store;
use futures::TryStreamExt;
use tokio::io::AsyncReadExt;

const GIB: u64 = 1 << 30;
/// Ticks of the times in `/proc/self/stat`, per second, as Linux shows them to programs.
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let gib: u64 = args.next().map_or(Ok(4), |n| n.parse())?;
    let parent = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let size = gib * GIB;

    let (hash, cipher, both) = reference(4 * GIB)?;
    println!(
        "reference, one thread, 64 KiB buffers: SHA-256 {hash:.2} GB/s, AES-256-GCM {cipher:.2} GB/s, one after the other {both:.2} GB/s"
    );

    let dir = tempfile::tempdir_in(parent)?;
    let store = Store::open(
        dir.path(),
        Box::new(FileKey::open_or_create(&dir.path().join("kek"))?),
    )
    .await?;
    let document = DocumentId::from_bytes([1; 16]);
    // Threads and buffers of a first, small stream are there when the measured one begins, as in a service that runs.
    store
        .put(
            DocumentId::from_bytes([2; 16]),
            1,
            "x",
            tokio::io::repeat(3).take(CHUNK as u64),
        )
        .await?;

    let (dek, salt) = (new_dek()?, Salt::from_bytes([7; 32]));
    let sealing = Measure::begin()?;
    let mut sealer = Sealer::new(tokio::io::repeat(0x5a).take(size), &dek, document, 1, salt);
    while sealer.next().await?.is_some() {}
    let commitment = sealer.opening("application/dicom").map(|o| o.commitment());
    sealing.report("encrypt and anchor", size, both)?;
    drop(sealer);

    let put = Measure::begin()?;
    let opening = store
        .put(
            document,
            1,
            "application/dicom",
            tokio::io::repeat(0x5a).take(size),
        )
        .await?;
    put.report("the same, kept on disk", size, both)?;

    let fetch = Measure::begin()?;
    let record = store.record(document, 1).await?;
    let (mut stream, mut read) = (record.stream(), 0);
    while let Some(bytes) = stream.try_next().await? {
        read += bytes.len() as u64;
    }
    fetch.report("fetch and verify", size, both)?;
    if read != size || opening.size != size || commitment.is_none() {
        return Err(format!("{read} bytes came back of {size}").into());
    }
    Ok(())
}

/// GB/s of SHA-256 alone, AES-256-GCM alone, and both over `size` bytes.
fn reference(size: u64) -> Result<(f64, f64, f64), Box<dyn Error>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| "no key")?);
    let mut buffer = vec![0x5a; CHUNK];
    let mut index = 0u64;
    let mut seal = |buffer: &mut [u8]| {
        index += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), buffer)
            .map(drop)
            .map_err(|_| "not sealed")
    };
    let rate =
        |begun: Duration| Ok::<_, Box<dyn Error>>(size as f64 / (processor()? - begun).as_secs_f64() / 1e9);
    let rounds = size / CHUNK as u64;
    let begun = processor()?;
    for _ in 0..rounds {
        std::hint::black_box(digest(&SHA256, &buffer));
    }
    let hash = rate(begun)?;
    let begun = processor()?;
    for _ in 0..rounds {
        seal(&mut buffer)?;
    }
    let cipher = rate(begun)?;
    let begun = processor()?;
    for _ in 0..rounds {
        std::hint::black_box(digest(&SHA256, &buffer));
        seal(&mut buffer)?;
    }
    Ok((hash, cipher, rate(begun)?))
}

struct Measure {
    begun: Instant,
    processor: Duration,
    resident: u64,
}

impl Measure {
    fn begin() -> Result<Self, Box<dyn Error>> {
        // Sets the peak resident set to the present one (proc(5)).
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self {
            resident: status("VmRSS")?,
            processor: processor()?,
            begun: Instant::now(),
        })
    }

    fn report(self, what: &str, size: u64, reference: f64) -> Result<(), Box<dyn Error>> {
        let wall = self.begun.elapsed().as_secs_f64();
        let processor = (processor()? - self.processor).as_secs_f64();
        let (gb, peak) = (size as f64 / 1e9, status("VmHWM")?.saturating_sub(self.resident));
        let core = gb / processor;
        println!(
            "{what}: {gb:.1} GB in {wall:.1} s = {:.2} GB/s; {processor:.1} s of processor time = {core:.2} GB/s per core, {:.2} of the reference; peak memory {:.1} MiB above {:.1} MiB idle",
            gb / wall,
            core / reference,
            peak as f64 / 1024.0,
            self.resident as f64 / 1024.0,
        );
        Ok(())
    }
}

/// User and system time of the process so far.
fn processor() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The fields after the command's name, which ends with the last parenthesis: utime and stime are the 12th and 13th of them.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<u64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).ok_or("no times in /proc/self/stat")?;
    Ok(Duration::from_secs_f64((user + system) as f64 / TICKS))
}

/// A size of `/proc/self/status`, KiB.
fn status(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let size = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    Ok(size.ok_or_else(|| format!("no {name} in /proc/self/status"))?)
}
