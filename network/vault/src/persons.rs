//! The local index of persons: by a keyed hash of what identity documents say, never by the words themselves.
//!
//! A file of lines `<hash> <patient>`; the key lies beside it, readable by the owner alone. Without the key the file tells nothing, with it one can
//! only ask about a person whose documents one knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use careledger_api::contracts::consent::Demographics;
use careledger_api::hashing::keyed_hash;
use careledger_api::ids::{Hash, PatientId, Salt};
use careledger_sdk::wallet::salt;

/// The index of one vault.
#[derive(Debug)]
pub struct PersonIndex {
    key: Salt,
    path: PathBuf,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_place: BTreeMap<Hash, BTreeSet<PatientId>>,
    by_patient: BTreeMap<PatientId, Hash>,
}

impl PersonIndex {
    /// Opens or makes the index at `path`, with its key at `path` + `.key` (mode 0600). A last line that a crash cut short is dropped: who entered it was
    /// not told that it is there.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let index = Self {
            key: key(&path.with_extension("key"))?,
            path: path.to_owned(),
            entries: Mutex::default(),
        };
        let mut text = String::new();
        index.file(false)?.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut entries = Entries::default();
        for line in text.get(..whole).unwrap_or_default().lines() {
            let (place, patient) = parse(line).ok_or_else(|| {
                std::io::Error::new(ErrorKind::InvalidData, "the index of persons is damaged")
            })?;
            entries.put(place, patient);
        }
        if whole < text.len() {
            index.file(false)?.set_len(whole as u64)?;
        }
        *index.entries.lock().unwrap_or_else(PoisonError::into_inner) = entries;
        Ok(index)
    }

    /// Enters a patient under these documents, in place of earlier ones; `None` takes the patient out. Durable on return.
    ///
    /// Fails with `InvalidInput` for a name or postcode without a letter or digit.
    pub fn enter(&self, patient: PatientId, person: Option<&Demographics>) -> std::io::Result<()> {
        let place = person
            .map(|person| {
                self.place(person).ok_or_else(|| {
                    std::io::Error::new(
                        ErrorKind::InvalidInput,
                        "a name or postcode holds no letter or digit, or is too long",
                    )
                })
            })
            .transpose()?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = entries.by_patient.get(&patient).copied();
        if before == place {
            return Ok(());
        }
        entries.take_out(&patient);
        if let Some(place) = place {
            entries.put(place, patient);
        }
        let written = match (before, place) {
            (None, Some(place)) => self.append(&line(&place, &patient)),
            _ => self.rewrite(&entries),
        };
        if written.is_err() {
            entries.take_out(&patient);
            if let Some(place) = before {
                entries.put(place, patient);
            }
        }
        written
    }

    /// The one patient whose documents say the same; none for nobody and for several.
    pub fn only_match(&self, person: &Demographics) -> Option<PatientId> {
        let place = self.place(person)?;
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut patients = entries.by_place.get(&place)?.iter();
        match (patients.next(), patients.next()) {
            (Some(patient), None) => Some(*patient),
            _ => None,
        }
    }

    fn place(&self, person: &Demographics) -> Option<Hash> {
        let person = person.normalised().ok()?;
        let birth = person.birth.to_string();
        let parts = [
            &person.family,
            &person.given,
            &birth,
            person.sex.as_str(),
            &person.postcode,
        ];
        Some(keyed_hash(&self.key, "person-index", &parts.map(str::as_bytes)))
    }

    fn file(&self, append: bool) -> std::io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .append(append)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        let mut file = self.file(true)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    /// Writes the whole index beside the old one and puts it in its place: what was taken out is in no file afterwards.
    fn rewrite(&self, entries: &Entries) -> std::io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        let lines: String = entries
            .by_patient
            .iter()
            .map(|(patient, place)| line(place, patient))
            .collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Entries {
    fn put(&mut self, place: Hash, patient: PatientId) {
        self.by_place.entry(place).or_default().insert(patient);
        self.by_patient.insert(patient, place);
    }

    fn take_out(&mut self, patient: &PatientId) {
        let Some(place) = self.by_patient.remove(patient) else {
            return;
        };
        if let Some(patients) = self.by_place.get_mut(&place) {
            patients.remove(patient);
            if patients.is_empty() {
                self.by_place.remove(&place);
            }
        }
    }
}

fn line(place: &Hash, patient: &PatientId) -> String {
    format!("{place} {patient}\n")
}

fn key(path: &Path) -> std::io::Result<Salt> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let key = salt();
            let written = file.write_all(key.as_bytes()).and_then(|()| file.sync_all());
            // A file without its key would be read as a broken one from then on.
            written.inspect_err(|_| {
                let _stays_empty = std::fs::remove_file(path);
            })?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut bytes = [0; 32];
            File::open(path)?.read_exact(&mut bytes)?;
            Ok(Salt::from_bytes(bytes))
        }
        Err(error) => Err(error),
    }
}

fn parse(line: &str) -> Option<(Hash, PatientId)> {
    let (hash, patient) = line.split_once(' ')?;
    Some((hash.parse().ok()?, patient.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use careledger_api::contracts::consent::Sex;

    fn person(family: &str) -> Demographics {
        Demographics {
            family: family.into(),
            given: "Ada".into(),
            birth: "1980-02-29".parse().unwrap(),
            sex: Sex::Female,
            postcode: "10115".into(),
        }
    }

    fn patient(n: u8) -> PatientId {
        PatientId::from_bytes([n; 32])
    }

    #[test]
    fn one_match_is_found_two_are_not_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons");
        let index = PersonIndex::open(&path).unwrap();
        index.enter(patient(1), Some(&person("Lovelace"))).unwrap();
        index.enter(patient(2), Some(&person("Byron"))).unwrap();
        assert_eq!(index.only_match(&person("LOVE-LACE")), Some(patient(1)));
        assert_eq!(index.only_match(&person("Babbage")), None);
        index.enter(patient(3), Some(&person("Lovelace"))).unwrap();
        assert_eq!(index.only_match(&person("Lovelace")), None, "two of a name");
        let index = PersonIndex::open(&path).unwrap();
        assert_eq!(
            (
                index.only_match(&person("Lovelace")),
                index.only_match(&person("Byron"))
            ),
            (None, Some(patient(2)))
        );
        index.enter(patient(3), Some(&person("King"))).unwrap();
        assert_eq!(
            index.only_match(&person("Lovelace")),
            Some(patient(1)),
            "moved, not copied"
        );
    }

    #[test]
    fn the_file_holds_no_name_and_forgets_who_is_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("persons");
        let index = PersonIndex::open(&path).unwrap();
        index.enter(patient(1), Some(&person("Lovelace"))).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.to_lowercase().contains("love") && text.contains(&patient(1).to_string()));
        index.enter(patient(1), None).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().is_empty());
        assert!(index.enter(patient(1), Some(&person("--"))).is_err());
        std::fs::write(&path, "half a line").unwrap();
        assert!(PersonIndex::open(&path).is_ok(), "cut short by a crash");
        std::fs::write(&path, "half a line\n").unwrap();
        assert!(PersonIndex::open(&path).is_err());
    }
}
