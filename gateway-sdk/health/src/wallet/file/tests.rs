use super::*;

fn passphrase(text: &str) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(text.to_owned()))
}

#[test]
fn a_wallet_comes_back_with_its_secret_and_enrolments() {
    let dir = tempfile::tempdir().unwrap();
    for (name, phrase) in [("plain", None), ("sealed", passphrase("correct horse"))] {
        let path = dir.path().join("deep").join(name);
        let mut made = WalletFile::create(&path, phrase.clone()).unwrap();
        made.note_enrolled("HospitalMSP").unwrap();
        assert_eq!(made.is_encrypted(), phrase.is_some());
        let again = WalletFile::open(&path, phrase.clone()).unwrap();
        assert_eq!(*again.secret().unwrap(), *made.secret().unwrap());
        assert!(again.enrolled().contains("HospitalMSP"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(
            WalletFile::create(&path, phrase),
            Err(WalletFileError::Exists(_))
        ));
        let text = fs::read_to_string(&path).unwrap();
        let shown = text.contains(made.content.secret.as_str());
        assert_eq!(shown, !made.is_encrypted());
        assert_eq!(text.contains("HospitalMSP"), !made.is_encrypted());
    }
    assert_eq!(fs::read_dir(dir.path().join("deep")).unwrap().count(), 2);
}

#[test]
fn another_passphrase_and_any_altered_byte_do_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet");
    WalletFile::create(&path, passphrase("one")).unwrap();
    let open = |phrase| WalletFile::open(&path, phrase);
    assert!(matches!(open(None), Err(WalletFileError::Encrypted(_))));
    assert!(matches!(
        open(passphrase("two")),
        Err(WalletFileError::DoesNotOpen(_))
    ));
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let alter = |field: &str, value: serde_json::Value| {
        let mut altered = whole.clone();
        altered["sealed"][field] = value;
        fs::write(&path, altered.to_string()).unwrap();
        assert!(
            matches!(
                open(passphrase("one")),
                Err(WalletFileError::DoesNotOpen(_) | WalletFileError::Malformed { .. })
            ),
            "{field}"
        );
    };
    for field in ["salt", "nonce", "ciphertext"] {
        let text = whole["sealed"][field].as_str().unwrap();
        let flipped = if text.starts_with('0') { "1" } else { "0" };
        alter(field, format!("{flipped}{}", &text[1..]).into());
        alter(field, "zz".into());
        alter(field, "".into());
    }
    // Bounds: no file makes this program take all memory or all time.
    for (field, value) in [("memory_kib", u32::MAX), ("passes", u32::MAX), ("lanes", 0)] {
        alter(field, value.into());
    }
}

#[test]
fn a_file_that_others_may_read_or_that_is_no_wallet_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet");
    assert!(matches!(
        WalletFile::open(&path, None),
        Err(WalletFileError::Missing(_))
    ));
    WalletFile::create(&path, None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        WalletFile::open(&path, None),
        Err(WalletFileError::Open(_))
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = "00".repeat(31);
    for text in [
        "",
        "{}",
        r#"{"format":"careledger-wallet","version":1}"#,
        r#"{"format":"careledger-wallet","version":2,"plain":{"secret":"","enrolled":[]}}"#,
        &format!(
            r#"{{"format":"careledger-wallet","version":1,"plain":{{"secret":"{secret}","enrolled":[]}}}}"#
        ),
    ] {
        fs::write(&path, text).unwrap();
        assert!(
            matches!(
                WalletFile::open(&path, None),
                Err(WalletFileError::Malformed { .. })
            ),
            "{text}"
        );
    }
}
