//! The source's status list decides whether what it gave out is recorded.

use clap::Parser;

use super::*;

/// The key of a made-up board, as all of these are.
const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"-evkZBR8wQLZIyTQmdknwaUOQtV6CKEW_-wKKYGdjGU","y":"cLr30SiIkCpqDB1nrdEDEjyFmrab-OlDHJOEkw1Lfu4"}"#;
/// Two bits each: valid, revoked, suspended, another; until 2100.
const LIST: &str = "eyJ0eXAiOiJzdGF0dXNsaXN0K2p3dCIsImFsZyI6IkVTMjU2In0.eyJzdWIiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY29tL2xpc3QiLCJpYXQiOjE3MDAwMDAwMDAsIm\
V4cCI6NDEwMjQ0NDgwMCwic3RhdHVzX2xpc3QiOnsiYml0cyI6MiwibHN0IjoiZU5wN0FnQUE1UURsIn19.syuouwupfmY5cot2O95Q9y9VLqu80A_GijmvLrGcWMyqJLE\
lMvgpPaTK5aWRCfn5ItF-14DRgs0E73uYbNvHjw";
/// Credentials in these places, and one that names no list.
const CREDENTIALS: [&str; 5] = [
    "eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJzdGF0dXMiOnsic3RhdHVzX2xpc3QiOnsiaWR4IjowLCJ1cmkiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY\
29tL2xpc3QifX19.9mwNgZ3dqSDLY0-TzO-ax09J2NbLVrcmGdyVt1iwWxGvd_f_btrFlyjStbWFnXLgJ3FR5vX-OcJUzKWYmjiGXQ",
    "eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJzdGF0dXMiOnsic3RhdHVzX2xpc3QiOnsiaWR4IjoxLCJ1cmkiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY\
29tL2xpc3QifX19.J7d0DCXSb9DNzrecZoUdOA0YqdhNrjqSCn6tNxgWBDACzpecystNEr7OIOafxqkU034hP2kLsIo6yotYRlmeIw",
    "eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJzdGF0dXMiOnsic3RhdHVzX2xpc3QiOnsiaWR4IjoyLCJ1cmkiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY\
29tL2xpc3QifX19.36FjsvMxGShdm55GDxzmVMccX8uP_zXAAij2VAPs_3wekEv4y4rn0lPd8MZbkLQyM-DNmi7iSS6WiCaunHXOVA",
    "eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJzdGF0dXMiOnsic3RhdHVzX2xpc3QiOnsiaWR4IjozLCJ1cmkiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY\
29tL2xpc3QifX19.-Yi6w30LSLb7utBU8sQ4aFfqxeTySELTqmvDiyEvKAqyl5pALXQxb62MlKYv2ERfr3ehu9_Ialxb7rdNazlFnQ",
    "eyJ0eXAiOiJkYytzZC1qd3QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2JvYXJkLmV4YW1wbGUuY29tIn0.aX-s-dM74CQpCTWYl0exBVDNgWp-1b2colEub\
TlUv57QsSXmiBBYeYvXnT1fUrm3sSyTMXnmSk5QWEXqSRbZGA",
];
/// 2026-11-22.
const NOW: i64 = 1_795_305_600;

/// What every credential is issued with.
const BARE: [&str; 9] = [
    "issue",
    "--npi",
    "1234567893",
    "--jurisdiction",
    "US-MA",
    "--licence",
    "230417",
    "--class",
    "MD",
];

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    verified: VerifiedArgs,
}

fn asked(list: &str, credential: &str) -> Result<Option<Hash>> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{text}\n")).expect("written");
        path.to_string_lossy().into_owned()
    };
    let (credential, list, key) = (
        path("credential", credential),
        path("list", list),
        path("key", KEY),
    );
    let of_source = [
        "--verified-at",
        "US-MA-BORIM",
        "--verified-on",
        "2026-11-20",
        "--credential",
        &credential,
        "--status-list",
        &list,
        "--source-key",
        &key,
    ];
    let options = BARE.iter().copied().chain(of_source);
    let options = Options::try_parse_from(options).expect("parsed");
    by_status_list(&options.verified, NOW)
}

#[test]
fn what_the_source_took_back_is_not_recorded() {
    let hash = asked(LIST, CREDENTIALS[0]).expect("valid");
    assert_eq!(hash, Some(careledger_api::hashing::sha256(LIST.as_bytes())));
    for (credential, says) in
        CREDENTIALS[1..]
            .iter()
            .zip(["revoked", "suspended", "status 3", "names no status list"])
    {
        let refused = asked(LIST, credential).expect_err(says).to_string();
        assert!(refused.contains(says), "{refused}");
    }
    let refused = asked(CREDENTIALS[0], CREDENTIALS[0])
        .expect_err("no list")
        .to_string();
    assert!(refused.contains("typ statuslist+jwt"), "{refused}");
}

#[test]
fn a_credential_is_asked_for_with_list_and_key_together() {
    let options = Options::try_parse_from(BARE).expect("parsed");
    assert!(
        by_status_list(&options.verified, NOW)
            .expect("nothing asked")
            .is_none()
    );
    for half in [
        ["--credential", "c"],
        ["--status-list", "l"],
        ["--source-key", "k"],
    ] {
        assert!(Options::try_parse_from(BARE.iter().chain(&half)).is_err());
    }
}
