//! What this process uses: processor time and memory, as Linux tells it in `/proc/self` (elsewhere there are no figures), and disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Ticks a second in `/proc/<pid>/stat`: the kernel's `USER_HZ`, which is 100 on every architecture that Rust's Linux targets know.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time of all threads so far, in milliseconds (resolution: 10).
pub fn cpu_ms() -> Option<u64> {
    cpu_ms_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Memory that is resident now, in MiB.
pub fn rss_mib() -> Option<f64> {
    rss_mib_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// What the files under `dir` take on the disk, in MiB; none where it cannot be read.
pub fn disk_mib(dir: &Path) -> Option<f64> {
    let mut blocks: u64 = 0;
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).ok()? {
            let entry = entry.ok()?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) => blocks += metadata.blocks(),
                // A running network renames and removes files.
                Err(_) => {}
            }
        }
    }
    // stat(2) counts in units of 512 bytes.
    Some(blocks as f64 / 2_048.0)
}

/// `utime` and `stime`, fields 14 and 15 of proc_pid_stat(5). The command's name (field 2) may hold blanks and brackets, so fields count
/// from its last closing bracket.
fn cpu_ms_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(1_000 / TICKS_PER_SECOND)
}

/// `VmRSS` of proc_pid_status(5), which is in kB.
fn rss_mib_in(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(f64::from(kib) / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_time() {
        let stat =
            "4711 (a ) odd (name) S 1 4711 4711 0 -1 4194304 90 80 70 60 123 45 6 7 20 0 4 0 998 1 2 3";
        assert_eq!(cpu_ms_in(stat), Some(1_680));
    }

    #[test]
    fn memory_is_the_resident_set() {
        let status = "Name:\tcareledger\nVmHWM:\t   99999 kB\nVmRSS:\t    2048 kB\nThreads:\t3\n";
        assert_eq!(rss_mib_in(status), Some(2.0));
    }

    #[test]
    fn a_directory_takes_what_its_files_take() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(disk_mib(dir.path()), Some(0.0));
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).expect("a directory");
        fs::write(inner.join("file"), vec![7; 1 << 20]).expect("written");
        let found = disk_mib(dir.path()).expect("counted");
        assert!((1.0..1.1).contains(&found), "{found}");
        assert_eq!(disk_mib(&dir.path().join("missing")), None);
    }

    #[test]
    fn other_texts_give_no_figures() {
        for text in [
            "",
            "1 (x",
            "1 (x) S 1 2 3",
            "1 (x) S a b c d e f g h i j k l m n o p",
        ] {
            assert_eq!(cpu_ms_in(text), None, "{text}");
        }
        for text in ["", "VmRSS:", "VmRSS: 12 MB", "VmRSS: many kB", "VmHWM: 12 kB"] {
            assert_eq!(rss_mib_in(text), None, "{text}");
        }
    }
}
