use super::*;
use careledger_api::ids::PatientId;

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

fn consortium() -> Consortium {
    Consortium {
        id: "c".into(),
        channel: "health".into(),
        chaincode: "careledger".into(),
        organisations: Vec::new(),
        policy: careledger_api::consortium::Policy::default(),
    }
}

#[test]
fn keys_that_do_not_follow_from_the_secret_survive_whatever_interrupts() {
    use careledger_api::keys::Algorithm;
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let mut phone = WalletFile::create(&first, None).unwrap();
    phone.note_enrolled("HospitalMSP").unwrap();
    let patient = phone.patient_at("HospitalMSP", &consortium()).unwrap();

    // A second device: the same key however often it joins, for the same patient alone.
    let mut tablet = WalletFile::create(&second, passphrase("p")).unwrap();
    let key = tablet
        .join("HospitalMSP", patient.id(), Algorithm::Ed25519)
        .unwrap();
    let mut tablet = {
        drop(tablet);
        WalletFile::open(&second, passphrase("p")).unwrap()
    };
    assert_eq!(
        tablet
            .join("HospitalMSP", patient.id(), Algorithm::Ed25519)
            .unwrap(),
        key
    );
    let on_tablet = tablet.patient_at("HospitalMSP", &consortium()).unwrap();
    assert_eq!(
        (on_tablet.id(), on_tablet.public_key()),
        (patient.id(), key.clone())
    );
    let other = PatientId::from_bytes([9; 32]);
    assert!(matches!(
        tablet.join("HospitalMSP", other, Algorithm::P256),
        Err(WalletFileError::Refused(HealthError::ConflictState(_)))
    ));
    assert!(
        phone.start_recovery("HospitalMSP", other).is_err(),
        "it is somebody there already"
    );

    // A rotation: until it is adopted the old key acts, and the new one is not drawn twice.
    let next = tablet
        .prepare_key("HospitalMSP", Algorithm::P256)
        .unwrap()
        .public_key();
    let mut tablet = WalletFile::open(&second, passphrase("p")).unwrap();
    let again = tablet.prepare_key("HospitalMSP", Algorithm::Ed25519).unwrap();
    assert_eq!(again.public_key(), next);
    let now = |tablet: &WalletFile| {
        tablet
            .patient_at("HospitalMSP", &consortium())
            .unwrap()
            .public_key()
    };
    assert_eq!(now(&tablet), key);
    tablet.adopt_key("HospitalMSP").unwrap();
    assert_eq!(now(&WalletFile::open(&second, passphrase("p")).unwrap()), next);
    let text = fs::read_to_string(&second).unwrap();
    // Neither word can be spelt in hexadecimal digits.
    assert!(!text.contains("algorithm") && !text.contains("p256"), "encrypted");
}

#[test]
fn a_recovery_makes_the_new_wallet_the_patient_only_once_it_is_executed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    let (lost, at) = (PatientId::from_bytes([7; 32]), "HospitalMSP");
    let mut new = WalletFile::create(&path, None).unwrap();
    let own = new.patient_at(at, &consortium()).unwrap().id();
    let started = new.start_recovery(at, lost).unwrap();
    let mut new = WalletFile::open(&path, None).unwrap();
    assert_eq!(
        new.start_recovery(at, lost).unwrap(),
        started,
        "the same one again"
    );
    assert!(new.start_recovery(at, PatientId::from_bytes([8; 32])).is_err());
    let restoring = new.restoring(at, &consortium()).unwrap();
    assert_eq!(restoring.recovery(), started.recovery);
    assert_eq!(new.patient_at(at, &consortium()).unwrap().id(), own);
    assert!(!new.enrolled().contains(at));
    new.give_up_recovery(at).unwrap();
    assert!(new.restoring(at, &consortium()).is_err());
    let another = new.start_recovery(at, lost).unwrap();
    assert_ne!(another.recovery, started.recovery);
    new.finish_recovery(at).unwrap();
    let new = WalletFile::open(&path, None).unwrap();
    let patient = new.patient_at(at, &consortium()).unwrap();
    assert_eq!((patient.id(), patient.public_key().id()), (lost, restoring.key()));
    assert!(new.enrolled().contains(at) && new.started_recovery(at).is_none());
}

#[test]
fn a_code_is_drawn_once_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wallet");
    let mut wallet = WalletFile::create(&path, None).unwrap();
    assert_eq!(wallet.code(), None);
    let code = wallet.make_code().unwrap();
    let mut wallet = WalletFile::open(&path, None).unwrap();
    assert_eq!((wallet.code(), wallet.make_code().unwrap()), (Some(code), code));
    wallet.forget_code().unwrap();
    assert_ne!(WalletFile::open(&path, None).unwrap().make_code().unwrap(), code);
}
