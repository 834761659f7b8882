//! Profiles: what is read, and what is refused with which reason.

use super::*;

const PROFILE: &str = r#"
    channel = "mychannel"
    chaincode = "keyvalue"
    [[organisations]]
    msp_id = "Org1MSP"
    endpoint = "localhost:7051"
    tls_ca = "ca.crt"
    server_name = "peer0.org1.example.com"
    certificate = "user.pem"
    key = "user.key"
"#;

fn parse(text: &str) -> std::result::Result<Profile, String> {
    Profile::parse(text, false, Path::new("/profiles"))
}

fn refused(text: &str) -> String {
    parse(text).expect_err("must be refused")
}

#[test]
fn the_shortest_profile_and_its_defaults() {
    let profile = parse(PROFILE).expect("a profile");
    assert_eq!(profile.organisations(), 1);
    let Operation::Get { put, get } = profile.operation(BenchMode::Get, 1).expect("get") else {
        panic!("another operation")
    };
    assert_eq!((put.as_str(), get.as_str()), ("put", "get"));
    for (mode, section) in [(BenchMode::Private, "[private]"), (BenchMode::Access, "[access]")] {
        let error = profile
            .operation(mode, 1)
            .expect_err("the section is missing")
            .to_string();
        assert!(error.contains(section), "{error}");
    }
}

#[test]
fn sections_for_private_data_and_accesses() {
    let patient = "ab".repeat(PatientId::LEN);
    let text = format!(
        "{PROFILE}\n[functions]\nprivate = \"Hide\"\n[private]\ncollection = \"pair\"\nmembers = [\"Org1MSP\"]\n\
         [access]\ncustodian = \"HospitalMSP\"\npatient = \"{patient}\"\n"
    );
    let profile = parse(&text).expect("a profile");
    match profile.operation(BenchMode::Private, 1).expect("private") {
        Operation::Private {
            function,
            collection,
            members,
            transient,
        } => {
            assert_eq!(
                (function.as_str(), collection.as_str(), transient.as_str()),
                ("Hide", "pair", "value")
            );
            assert_eq!(members, ["Org1MSP"]);
        }
        other => panic!("{other:?}"),
    }
    match profile.operation(BenchMode::Access, 1).expect("access") {
        Operation::Access {
            custodian,
            patients: found,
        } => {
            assert_eq!(
                (custodian.as_str(), found[0].to_string()),
                ("HospitalMSP", patient.clone())
            );
        }
        other => panic!("{other:?}"),
    }
    let unknown = text.replace(&patient, "someone");
    assert!(
        refused(&unknown).contains("lower-case hex"),
        "{}",
        refused(&unknown)
    );
}

#[test]
fn json_says_the_same() {
    let text = r#"{"channel": "c", "chaincode": "k", "organisations": [{"msp_id": "A", "endpoint": "[::1]:7051",
        "tls_ca": "ca.crt", "user": "msp"}]}"#;
    let profile = Profile::parse(text, true, Path::new("")).expect("a profile");
    assert_eq!((profile.channel.as_str(), profile.organisations()), ("c", 1));
    assert!(Profile::parse(text, false, Path::new("")).is_err());
}

#[test]
fn what_is_wrong_is_named() {
    for (from, to, reason) in [
        ("channel = \"mychannel\"", "", "channel"),
        ("channel = \"mychannel\"", "channel = \"\"", "channel is empty"),
        ("channel = \"mychannel\"", "chanel = \"mychannel\"", "chanel"),
        ("localhost:7051", "https://localhost:7051", "host:port"),
        ("localhost:7051", "localhost", "host:port"),
        ("localhost:7051", "localhost:0", "host:port"),
        ("localhost:7051", "localhost:70510", "host:port"),
        ("key = \"user.key\"", "", "certificate and key"),
        (
            "key = \"user.key\"",
            "key = \"user.key\"\nuser = \"msp\"",
            "either user",
        ),
        (
            "key = \"user.key\"",
            "key = \"user.key\"\ntls_key = \"k\"",
            "tls_certificate",
        ),
        ("tls_ca = \"ca.crt\"", "", "tls_ca"),
    ] {
        let text = PROFILE.replace(from, to);
        assert_ne!(text, PROFILE, "{from} is not in the profile");
        assert!(refused(&text).contains(reason), "{}", refused(&text));
    }
    let (_, organisation) = PROFILE.split_once("[[organisations]]").expect("an organisation");
    let twice = format!("{PROFILE}\n[[organisations]]{organisation}");
    assert!(
        refused(&twice).contains("Org1MSP is there twice"),
        "{}",
        refused(&twice)
    );
    assert!(refused("channel = \"c\"\nchaincode = \"k\"\norganisations = []").contains("at least one"));
    let empty = format!("{PROFILE}\n[private]\ncollection = \"c\"\nmembers = []");
    assert!(refused(&empty).contains("[private]"), "{}", refused(&empty));
}

#[test]
fn files_are_sought_beside_the_profile() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("profile.toml");
    assert!(
        Profile::read(&path)
            .expect_err("no file")
            .to_string()
            .contains("profile.toml")
    );
    std::fs::write(&path, PROFILE).expect("written");
    let error = Profile::read(&path)
        .expect("a profile")
        .target(BenchMode::Put, 1)
        .expect_err("no CA")
        .to_string();
    assert!(
        error.contains("Org1MSP") && error.contains(&dir.path().join("ca.crt").display().to_string()),
        "{error}"
    );
    std::fs::write(&path, "channel = 1").expect("written");
    assert!(
        Profile::read(&path)
            .expect_err("no profile")
            .to_string()
            .contains("is not a profile")
    );
}

#[test]
fn private_data_needs_a_members_user() {
    let text = format!("{PROFILE}\n[private]\ncollection = \"pair\"\nmembers = [\"OtherMSP\"]\n");
    let error = parse(&text)
        .expect("a profile")
        .target(BenchMode::Private, 1)
        .expect_err("no member")
        .to_string();
    assert!(error.contains("private.members"), "{error}");
}
