//! What people give in files: what is said about a patient's treatment is on no command line.

use std::path::{Path, PathBuf};

use careledger_api::HealthError;
use careledger_api::contracts::claims::MAX_TEXT;
use careledger_sdk::HealthCallError;
use careledger_sdk::wallet::salt;
use fabric_contract_core::CallError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Result, files};

/// Largest file of JSON that is read, bytes.
const MAX_FILE: u64 = 64 << 20;

/// A text from a file, or from the standard input for `-`.
pub(super) fn text(path: &Path) -> Result<String> {
    let bytes = files::bytes(path, MAX_TEXT as u64 + 2)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is no text in UTF-8", path.display()))?;
    let text = text.trim_end().to_owned();
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(format!("{} has to hold 1 to {MAX_TEXT} bytes of text", path.display()).into());
    }
    Ok(text)
}

/// One thing of a file of JSON, or of the standard input for `-`; its salt is drawn unless it has one.
pub(super) fn body<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    salted(path, what, json_of(path, what)?)
}

/// One or a list of them.
pub(super) fn bodies<T: DeserializeOwned>(path: &Path, what: &str) -> Result<Vec<T>> {
    match json_of(path, what)? {
        Value::Array(all) => all.into_iter().map(|one| salted(path, what, one)).collect(),
        one => Ok(vec![salted(path, what, one)?]),
    }
}

/// Where something is kept that the ledger is to hear of: a run whose answer was lost does not do it twice.
#[derive(Debug)]
pub(super) struct Kept {
    /// The file.
    pub(super) path: PathBuf,
    /// It is new: no run before this one sent it.
    pub(super) is_new: bool,
}

impl Kept {
    /// Removes what was kept of something new that the contract refused: nothing of it is on the ledger, and the file's correction is another one.
    pub(super) fn forget_refused<T>(&self, done: &std::result::Result<T, HealthCallError>) {
        if let (true, Err(CallError::Contract(refused))) = (self.is_new, done)
            && !matches!(refused, HealthError::Duplicate(_))
        {
            // One that stays is told by the next run.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// One thing whose id and salt are drawn, and kept in the file's own file with that suffix before the ledger hears of them. What is not `valid` is not kept.
pub(super) fn kept<T: DeserializeOwned>(
    path: &Path,
    suffix: &str,
    what: &str,
    id: impl serde::Serialize,
    valid: impl Fn(&T) -> std::result::Result<(), HealthError>,
) -> Result<(Kept, T)> {
    let given = fields(path, what, json_of(path, what)?)?;
    let kept = Kept {
        path: files::suffixed(path, suffix),
        is_new: !files::suffixed(path, suffix).exists(),
    };
    let all = if kept.is_new {
        let mut all = given;
        all.entry("id").or_insert(json!(id));
        all.entry("salt").or_insert(json!(salt()));
        all
    } else {
        let before: Map<String, Value> = files::read(&kept.path, what)?;
        let drawn = |name: &str| name == "id" || name == "salt";
        let same = given.iter().all(|(name, value)| before.get(name) == Some(value))
            && before.keys().all(|name| drawn(name) || given.contains_key(name));
        if !same {
            return Err(format!(
                "{} is of another one; move it away to make a new one of {}",
                kept.path.display(),
                path.display()
            )
            .into());
        }
        before
    };
    let one: T = formed(path, what, Value::Object(all.clone()))?;
    valid(&one).map_err(|error| format!("{}: {error}", path.display()))?;
    if kept.is_new {
        files::write(&kept.path, &all)?;
    }
    Ok((kept, one))
}

fn json_of(path: &Path, what: &str) -> Result<Value> {
    let bytes = files::bytes(path, MAX_FILE)?;
    Ok(serde_json::from_slice(files::unmarked(&bytes))
        .map_err(|error| format!("{} is no {what}: {error}", path.display()))?)
}

fn salted<T: DeserializeOwned>(path: &Path, what: &str, one: Value) -> Result<T> {
    let mut fields = fields(path, what, one)?;
    fields.entry("salt").or_insert(json!(salt()));
    formed(path, what, Value::Object(fields))
}

fn fields(path: &Path, what: &str, one: Value) -> Result<Map<String, Value>> {
    match one {
        Value::Object(fields) => Ok(fields),
        _ => Err(format!("{} has to hold a JSON object, a {what}", path.display()).into()),
    }
}

fn formed<T: DeserializeOwned>(path: &Path, what: &str, one: Value) -> Result<T> {
    Ok(serde_json::from_value(one)
        .map_err(|error| format!("{} is no {what}: {}", path.display(), files::spot(&error)))?)
}

#[cfg(test)]
mod tests {
    use careledger_api::contracts::claims::{AuthorisationRequest, FraudFlag, PaymentConsent};
    use careledger_api::ids::AuthorisationId;

    use super::*;

    fn file(dir: &Path, name: &str, content: &Value) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, content.to_string()).expect("written");
        path
    }

    #[test]
    fn what_is_given_gets_its_salt_and_is_refused_with_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let consent = json!({ "coverage": "00".repeat(16), "given": true, "period": { "from": "2026-01-01", "until": "2026-12-31" } });
        let path = file(dir.path(), "consent.json", &consent);
        let one: PaymentConsent = body(&path, "payment consent").expect("a consent");
        let two: PaymentConsent = body(&path, "payment consent").expect("a consent");
        assert_ne!(one.salt, two.salt);
        // Some programs write a mark before UTF-8.
        let marked = dir.path().join("marked.json");
        std::fs::write(&marked, format!("\u{feff}{consent}")).expect("written");
        let _given: PaymentConsent = body(&marked, "payment consent").expect("a consent");
        let _read: Value = files::read(&marked, "consent").expect("JSON");
        let flag = json!({ "claim": "00".repeat(16), "kind": "upcoding", "score": 9, "explanation": "x" });
        for (content, count) in [(flag.clone(), 1), (json!([flag, flag]), 2)] {
            let path = file(dir.path(), "flags.json", &content);
            assert_eq!(bodies::<FraudFlag>(&path, "flag").expect("flags").len(), count);
        }
        for wrong in [json!([]), json!(7), json!({ "given": true })] {
            let path = file(dir.path(), "wrong.json", &wrong);
            let error = body::<PaymentConsent>(&path, "payment consent").expect_err("no consent");
            assert!(error.to_string().contains("wrong.json"), "{error}");
        }
    }

    #[test]
    fn what_is_kept_is_the_same_the_next_time_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let id = || AuthorisationId::from_bytes(rand::random());
        let request = |units: u32| {
            json!({
                "coverage": "00".repeat(16), "procedure": "X-0042", "units": units, "provider_npi": "1234567893", "urgent": false,
                "period": { "from": "2026-01-01", "until": "2026-12-31" },
            })
        };
        let path = file(dir.path(), "request.json", &request(6));
        let some = |request: &AuthorisationRequest| match request.units {
            0 => Err(HealthError::InvalidCode("no units".into())),
            _ => Ok(()),
        };
        let ask = || kept::<AuthorisationRequest>(&path, "requested", "request", id(), some);
        let (kept_in, one) = ask().expect("a request");
        assert_eq!(kept_in.path, dir.path().join("request.json.requested"));
        assert!(kept_in.is_new);
        let (kept_in, same) = ask().expect("the same request");
        assert_eq!((same, kept_in.is_new), (one, false));
        file(dir.path(), "request.json", &request(7));
        let error = ask().expect_err("another request");
        assert!(error.to_string().contains("move it away"), "{error}");
        for wrong in [json!({ "units": 1 }), request(0)] {
            let path = file(dir.path(), "wrong.json", &wrong);
            assert!(kept::<AuthorisationRequest>(&path, "requested", "request", id(), some).is_err());
            assert!(!dir.path().join("wrong.json.requested").exists());
        }
    }

    #[test]
    fn what_the_contract_refused_is_kept_no_longer_and_everything_else_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("request.json.requested");
        let refused = || Err::<(), _>(CallError::Contract(HealthError::NotFound));
        let before = || Err(CallError::Contract(HealthError::Duplicate("before".into())));
        let unknown = || Err(CallError::Decode("another form".into()));
        for (is_new, done, stays) in [
            (true, refused(), false),
            (false, refused(), true),
            (true, before(), true),
            (true, unknown(), true),
            (true, Ok(()), true),
        ] {
            std::fs::write(&path, "{}").expect("written");
            let kept = Kept {
                path: path.clone(),
                is_new,
            };
            kept.forget_refused(&done);
            assert_eq!(path.exists(), stays, "{is_new} {done:?}");
        }
    }

    #[test]
    fn a_text_has_its_bounds() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("text");
        for (content, taken) in [
            ("it was sent by post\n".to_owned(), true),
            ("x".repeat(MAX_TEXT), true),
            ("x".repeat(MAX_TEXT + 1), false),
            ("\n".to_owned(), false),
        ] {
            std::fs::write(&path, &content).expect("written");
            assert_eq!(text(&path).is_ok(), taken, "{} bytes", content.len());
        }
    }
}
