//! `mutate CORPUS ITERATIONS SEED [TARGET…]`: every input of a target's corpus as it is, then a fixed number of random changes. Ends with
//! status 1 at the first panic, after writing the input to `artifacts/<target>/`.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use careledger_fuzz::mutate::{Random, mutated};
use careledger_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (Some(corpus), Some(Ok(iterations)), Some(Ok(seed))) = (
        args.first().map(PathBuf::from),
        args.get(1).map(|count| count.parse::<u64>()),
        args.get(2).map(|seed| seed.parse::<u64>()),
    ) else {
        eprintln!("usage: mutate CORPUS ITERATIONS SEED [TARGET…]");
        return ExitCode::from(2);
    };
    let wanted = args.get(3..).unwrap_or_default();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| TARGETS.iter().all(|target| target.name != **name))
    {
        eprintln!("there is no target {unknown}");
        return ExitCode::from(2);
    }
    for target in TARGETS
        .iter()
        .filter(|target| wanted.is_empty() || wanted.iter().any(|name| name == target.name))
    {
        let began = Instant::now();
        let inputs = read(&corpus.join(target.name));
        let mut random = Random::new(seed);
        let changed = (0..iterations).map(|_| mutated(&inputs, &mut random));
        for input in inputs.iter().cloned().chain(changed) {
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                let path = keep(target, &input);
                eprintln!("{}: panicked; the input is in {}", target.name, path.display());
                return ExitCode::FAILURE;
            }
        }
        println!(
            "{}: {} seeds and {iterations} changed inputs (seed {seed}) in {:.1} s",
            target.name,
            inputs.len(),
            began.elapsed().as_secs_f32()
        );
    }
    ExitCode::SUCCESS
}

fn read(dir: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(std::fs::read).collect()
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let dir = Path::new("artifacts").join(target.name);
    let path = dir.join("panic");
    if std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(&path, input))
        .is_err()
    {
        eprintln!("{}: the input could not be kept: {input:02x?}", target.name);
    }
    path
}
