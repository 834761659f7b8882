//! The key-encryption key in a PKCS#11 token, against SoftHSM 2 (Debian: softhsm2). Ignored without it; `scripts/test` runs them.
//!
//! SoftHSM finds its tokens by an environment variable, and one process has one: each test runs itself again in a process of its own, with a token of
//! its own.

// Helpers of tests are no tests to the lint; what they unwrap fails the test all the same.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use careledger_api::ids::DocumentId;
use careledger_sdk::vault::cipher::new_dek;
use careledger_vault::kek::{
    FileKey, KekError, KeyEncryption, KeyProvider, Pin, Succession, TokenKey, TokenPlace,
};
use careledger_vault::store::{Store, StoreError};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

const TOKEN: &str = "careledger test";
const PIN: &str = "4711-0815";
/// Tells the second process where its token is.
const WHERE: &str = "CARELEDGER_TEST_TOKEN";

/// Runs `test` in a process that has a fresh token, with a directory for its files.
fn with_token(name: &str, test: impl FnOnce(&Path)) {
    if let Some(dir) = std::env::var_os(WHERE) {
        return test(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("softhsm2.conf");
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            TOKEN,
            "--so-pin",
            "12345678",
            "--pin",
            PIN,
        ])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("softhsm2-util is installed (Debian: softhsm2)");
    assert!(made.status.success(), "{made:?}");
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(WHERE, dir.path())
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    assert!(!said.contains(PIN), "the PIN was told: {said}");
}

fn module() -> PathBuf {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
        "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    ];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM's library lies in one of the usual places")
}

/// The place of a key, with the PIN in a file of its owner's.
fn place(dir: &Path, key: &str) -> TokenPlace {
    let pin = dir.join("pin");
    std::fs::write(&pin, format!("{PIN}\n")).unwrap();
    set_mode(&pin, 0o600);
    TokenPlace {
        module: module(),
        token: TOKEN.into(),
        key: key.into(),
        pin: Pin::File(pin),
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
#[ignore = "needs SoftHSM 2"]
fn a_token_wraps_for_one_context_under_one_key() {
    with_token("a_token_wraps_for_one_context_under_one_key", |dir| {
        let key = TokenKey::create(place(dir, "kek")).unwrap();
        let dek = new_dek().unwrap();
        let wrapped = key.wrap(&dek, b"doc 1").unwrap();
        assert_eq!(*key.unwrap(&wrapped, b"doc 1").unwrap(), *dek);
        assert_ne!(wrapped, key.wrap(&dek, b"doc 1").unwrap(), "a nonce each");
        assert!(!wrapped.windows(32).any(|w| w == dek.as_slice()));
        let again = TokenKey::open(place(dir, "kek")).unwrap();
        assert_eq!(
            *again.unwrap(&wrapped, b"doc 1").unwrap(),
            *dek,
            "another session"
        );

        let altered = |wrapped: &[u8], context: &[u8], what: &str| {
            let refused = key.unwrap(wrapped, context);
            assert!(matches!(refused, Err(KekError::Altered)), "{what}: {refused:?}");
        };
        altered(&wrapped, b"doc 2", "another context");
        for at in 0..wrapped.len() {
            let mut other = wrapped.clone();
            other[at] ^= 1;
            altered(&other, b"doc 1", &format!("byte {at}"));
        }
        for cut in [0, 4, 12, 24, 40, wrapped.len() - 1] {
            altered(&wrapped[..cut], b"doc 1", &format!("cut to {cut}"));
        }
        assert_eq!(*key.unwrap(&wrapped, b"doc 1").unwrap(), *dek, "it still works");
        let other = TokenKey::create(place(dir, "other")).unwrap();
        assert!(matches!(other.unwrap(&wrapped, b"doc 1"), Err(KekError::Altered)));
        // Many at once, over the one session.
        std::thread::scope(|scope| {
            for n in 0..8u8 {
                let (key, dek) = (&key, &dek);
                scope.spawn(move || {
                    for _ in 0..10 {
                        let wrapped = key.wrap(dek, &[n]).unwrap();
                        assert_eq!(*key.unwrap(&wrapped, &[n]).unwrap(), **dek);
                    }
                });
            }
        });
    });
}

#[test]
#[ignore = "needs SoftHSM 2"]
fn a_key_that_could_leave_or_is_not_the_one_is_refused_and_no_error_tells_the_pin() {
    let name = "a_key_that_could_leave_or_is_not_the_one_is_refused_and_no_error_tells_the_pin";
    with_token(name, |dir| {
        let refused = |place: TokenPlace| {
            let error = TokenKey::open(place).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(PIN));
            error
        };
        assert!(matches!(
            refused(place(dir, "kek")),
            KekError::NoKey { found: 0, .. }
        ));
        TokenKey::create(place(dir, "kek")).unwrap();
        let twice = TokenKey::create(place(dir, "kek")).unwrap_err();
        assert!(matches!(twice, KekError::KeyExists(key) if key == "kek"));

        let with = |change: fn(&mut TokenPlace)| {
            let mut place = place(dir, "kek");
            change(&mut place);
            place
        };
        let other_token = refused(with(|place| place.token = "another".into()));
        assert!(other_token.to_string().contains("no slot"), "{other_token}");
        let no_module = refused(with(|place| place.module = "/nowhere.so".into()));
        assert!(matches!(no_module, KekError::Token { .. }), "{no_module}");
        let no_variable = refused(with(|place| {
            place.pin = Pin::Environment("CARELEDGER_NO_PIN".into())
        }));
        assert!(matches!(&no_variable, KekError::Pin(what) if what.contains("CARELEDGER_NO_PIN")));
        let open_to_all = with(|_| ());
        set_mode(&dir.join("pin"), 0o640);
        assert!(matches!(refused(open_to_all), KekError::Mode(_)));
        let empty = with(|_| ());
        std::fs::write(dir.join("pin"), "\n").unwrap();
        assert!(matches!(refused(empty), KekError::Pin(_)));

        // Keys that somebody else put there: two of one label, and one that the token would hand out.
        let token = Pkcs11::new(module()).unwrap();
        let _already = token.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let slots = token.get_slots_with_initialized_token().unwrap();
        let session = token.open_rw_session(slots[0]).unwrap();
        let _already = session.login(UserType::User, Some(&AuthPin::new(PIN.into())));
        let put = |label: &str, extractable: bool| {
            let template = [
                Attribute::Label(label.into()),
                Attribute::ValueLen(32.into()),
                Attribute::Token(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(extractable),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
            ];
            session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        };
        put("twice", false);
        put("twice", false);
        put("leaves", true);
        assert!(matches!(
            refused(place(dir, "twice")),
            KekError::NoKey { found: 2, .. }
        ));
        assert!(matches!(refused(place(dir, "leaves")), KekError::MayLeave(_)));
    });
}

#[test]
#[ignore = "needs SoftHSM 2"]
fn a_wrong_pin_opens_nothing() {
    with_token("a_wrong_pin_opens_nothing", |dir| {
        let mut wrong = place(dir, "kek");
        let file = dir.join("wrong");
        std::fs::write(&file, "0000-0000").unwrap();
        set_mode(&file, 0o600);
        wrong.pin = Pin::File(file);
        let error = TokenKey::open(wrong).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("0000-0000"));
        assert!(matches!(error, KekError::Token { .. }), "{error}");
        TokenKey::create(place(dir, "kek")).unwrap();
    });
}

#[test]
#[ignore = "needs SoftHSM 2"]
fn a_store_moves_from_its_file_into_the_token_also_when_that_was_interrupted() {
    let name = "a_store_moves_from_its_file_into_the_token_also_when_that_was_interrupted";
    with_token(name, |dir| {
        runtime().block_on(async {
            let vault = dir.join("vault");
            std::fs::create_dir(&vault).unwrap();
            let document = DocumentId::from_bytes([3; 16]);
            let store = Store::open_under(&vault, KeyProvider::File).await.unwrap();
            for version in [1, 2] {
                let content = format!("content {version}");
                store
                    .put(document, version, "x", content.as_bytes())
                    .await
                    .unwrap();
            }
            drop(store);
            let key: Arc<dyn KeyEncryption> = Arc::new(TokenKey::create(place(dir, "kek")).unwrap());
            // Interrupted: one key is wrapped by the token, the others by the file, which is still there.
            let old = FileKey::open_or_create(&vault.join("kek")).unwrap();
            let both = Succession::new(Box::new(old), Arc::clone(&key));
            let store = Store::open(&vault, Box::new(both)).await.unwrap();
            store
                .put(document, 3, "x", b"content 3".as_slice())
                .await
                .unwrap();
            drop(store);

            let store = Store::open_under(&vault, KeyProvider::Token(place(dir, "kek")))
                .await
                .unwrap();
            for version in [1, 2, 3] {
                let content = store
                    .record(document, version)
                    .await
                    .unwrap()
                    .read(100)
                    .await
                    .unwrap();
                assert_eq!(content, format!("content {version}").into_bytes());
            }
            drop(store);
            assert!(!vault.join("kek").exists(), "the file is gone");
            for entry in std::fs::read_dir(vault.join("entries")).unwrap() {
                let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
                assert!(
                    text.contains(&format!("\"wrapped\":\"{}", hex::encode(b"P11\x01"))),
                    "{text}"
                );
            }
            let without = Store::open_under(&vault, KeyProvider::File).await;
            assert!(
                matches!(without, Err(StoreError::Kek(KekError::Altered))),
                "{without:?}"
            );
            // That attempt made a key file that wraps nothing; the token takes its place again.
            let store = Store::open_under(&vault, KeyProvider::Token(place(dir, "kek")))
                .await
                .unwrap();
            store.reopen(document, 1).await.unwrap();

            // On to another key of the token.
            let next: Arc<dyn KeyEncryption> = Arc::new(TokenKey::create(place(dir, "next")).unwrap());
            assert_eq!(
                store.rewrap(&*next).await.unwrap(),
                4,
                "three versions and the tickets' key"
            );
            assert_eq!(store.rewrap(&*next).await.unwrap(), 0);
            drop(store);
            let store = Store::open_under(&vault, KeyProvider::Token(place(dir, "next")))
                .await
                .unwrap();
            store.reopen(document, 2).await.unwrap();
            store.erase(document).await.unwrap();
        });
    });
}
