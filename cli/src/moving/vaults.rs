//! The vaults' files move with their consortium, and a network's directory says while it is being moved to.

use std::fs::File;
use std::path::Path;

use crate::Result;

/// Copies the old vaults' files to `new`, unless there are none, or vaults are at `new` already, which were copied before. The copy stands under
/// another name until it is whole, so that one that broke off is made anew.
pub fn copy_vaults(old: &Path, new: &Path) -> Result<()> {
    if !old.is_dir() || new.exists() {
        return Ok(());
    }
    let unfinished = new.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)?;
    }
    fabric_node::copy_tree(old, &unfinished)?;
    Ok(std::fs::rename(&unfinished, new)?)
}

/// Lies in the directory of a network that takes a consortium over, until all of it is there.
const MARK: &str = "taking-over";

/// Fails where a take-over broke off: started without it, the network would begin as a consortium of its own, and what was not taken over by then would
/// never come.
pub fn refuse_half(dir: &Path) -> Result<()> {
    if dir.join(MARK).exists() {
        return Err(format!(
            "a consortium is being taken over to {}: name the export once more with --from, until it says `ready`",
            dir.display()
        )
        .into());
    }
    Ok(())
}

/// Says that a take-over begins, or goes on.
pub fn begin(dir: &Path) -> Result<()> {
    Ok(File::create(dir.join(MARK))?.sync_all()?)
}

/// Says that everything is there.
pub fn finish(dir: &Path) -> Result<()> {
    Ok(std::fs::remove_file(dir.join(MARK))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_take_over_that_broke_off_is_finished_first() {
        let dir = tempfile::tempdir().expect("a directory");
        refuse_half(dir.path()).expect("none is under way");
        begin(dir.path()).expect("begun");
        begin(dir.path()).expect("begun again");
        let refused = refuse_half(dir.path()).expect_err("it is under way").to_string();
        assert!(refused.contains("--from"), "{refused}");
        finish(dir.path()).expect("all is there");
        refuse_half(dir.path()).expect("it is done");
    }

    #[test]
    fn a_copy_that_broke_off_is_made_anew_and_a_whole_one_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let (old, new) = (dir.path().join("old"), dir.path().join("new/vaults"));
        copy_vaults(&old, &new).expect("no vaults, nothing to do");
        assert!(!new.exists());

        fs::create_dir_all(old.join("HospitalMSP")).expect("made");
        fs::create_dir_all(dir.path().join("new")).expect("made");
        fs::write(old.join("HospitalMSP/record"), "sealed").expect("written");
        // What is no plain file breaks the copy off.
        symlink("record", old.join("HospitalMSP/zlink")).expect("linked");
        copy_vaults(&old, &new).expect_err("links are refused");
        assert!(!new.exists(), "half a copy is none");

        fs::remove_file(old.join("HospitalMSP/zlink")).expect("removed");
        fs::write(dir.path().join("new/vaults.unfinished/stale"), "half").expect("a broken copy is there");
        copy_vaults(&old, &new).expect("copied");
        assert_eq!(
            fs::read(new.join("HospitalMSP/record")).expect("there"),
            b"sealed"
        );
        assert!(!new.join("stale").exists());
        assert!(!dir.path().join("new/vaults.unfinished").exists());

        fs::write(new.join("HospitalMSP/record"), "went on").expect("written");
        copy_vaults(&old, &new).expect("nothing to do");
        assert_eq!(
            fs::read(new.join("HospitalMSP/record")).expect("there"),
            b"went on"
        );
    }
}
