//! Whether an issuer has taken back a credential that it gave out as a signed token, by its status list (IETF Token Status List, draft-ietf-oauth-status-list-18).
//! W3C's Bitstring Status List is another format and is not read.
//!
//! ```text
//! credential (SD-JWT VC or JWT)   status.status_list = {uri, idx}  ─▶ StatusReference
//! token behind the uri            signed by the issuer: zlib(status of every idx, 1 to 8 bits each)  ─▶ StatusList::read
//! StatusList::status_of(idx)      valid, invalid, suspended; with the hash of the list that said so, for the record
//! ```
//!
//! An organisation asks when it records what it verified of one of its people: off the ledger, for a contract fetches nothing. Who fetches the token is the
//! caller; nothing here goes to the network.

use std::io::Read;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use careledger_api::hashing::sha256;
use careledger_api::ids::Hash;
use flate2::read::ZlibDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest token that is read, bytes.
pub const MAX_TOKEN: usize = 2 << 20;
/// Longest list that a token is inflated to, bytes: 67 million statuses of one bit.
pub const MAX_LIST: usize = 8 << 20;
/// Longest address of a list, bytes.
pub const MAX_URI: usize = 2_048;
/// How far the issuer's clock may be ahead, seconds.
const SKEW: i64 = 60;
/// How long a list counts whose issuer gave it no end, seconds: 30 days.
const WITHOUT_END: i64 = 30 * 86_400;

/// Why a status is not known. No text quotes what was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusListError {
    /// A token or a key is longer than it may be, or of another form.
    #[error("{0}")]
    Form(&'static str),
    /// Credential or list is not the issuer's.
    #[error("the signature does not verify with the issuer's key")]
    Signature,
    /// The list is for another address than the credential names.
    #[error("this is another status list than the credential names")]
    AnotherList,
    /// The list is of a time that is yet to come, or its time is over.
    #[error("the status list does not count at this time: fetch it again")]
    Stale,
    /// The list has no such place.
    #[error("the status list ends before the credential's place")]
    OutOfRange,
}

/// Where a credential's status stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusReference {
    /// The list's address.
    pub uri: String,
    /// The credential's place in it, from 0.
    pub idx: u64,
}

/// What a list says of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialStatus {
    /// It counts (0).
    Valid,
    /// It was revoked (1).
    Invalid,
    /// It does not count for now (2).
    Suspended,
    /// Something that issuer and application agreed on, or that is not registered: it is not valid.
    Other(u8),
}

/// An issuer's public key: ECDSA on P-256, with SHA-256 (`ES256`).
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerKey {
    /// SEC1, uncompressed.
    point: [u8; 65],
}

/// A status list that was read: signed by the issuer, for this address, and of its time.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    hash: Hash,
    bits: u8,
    list: Vec<u8>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct Header {
    typ: Option<String>,
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: Option<i64>,
    status_list: Compressed,
}

#[derive(Deserialize)]
struct Compressed {
    bits: u8,
    lst: String,
}

#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    status_list: Option<StatusReference>,
}

impl StatusReference {
    /// Where a credential's status stands, from its compact form: a JWT, or an SD-JWT with its disclosures (none of which is read). `None` for one that names
    /// no status list.
    ///
    /// # Errors
    /// [`StatusListError::Form`], and [`StatusListError::Signature`] for a credential that the issuer did not sign.
    pub fn of(credential: &str, issuer: &IssuerKey) -> Result<Option<Self>, StatusListError> {
        let jwt = credential.trim().split('~').next().unwrap_or_default();
        if jwt.len() > MAX_TOKEN {
            return Err(StatusListError::Form("a credential has at most 2 MiB"));
        }
        let Parts { payload, .. } = issuer.verified(jwt)?;
        let credential: Credential = parsed(&payload)?;
        let reference = credential.status.and_then(|status| status.status_list);
        if reference.as_ref().is_some_and(|found| found.uri.len() > MAX_URI) {
            return Err(StatusListError::Form(
                "a status list's address has at most 2048 bytes",
            ));
        }
        Ok(reference)
    }
}

impl IssuerKey {
    /// A key in JSON (RFC 7517): `kty` EC, `crv` P-256.
    ///
    /// # Errors
    /// [`StatusListError::Form`] for any other.
    pub fn from_jwk(json: &str) -> Result<Self, StatusListError> {
        let wrong = StatusListError::Form("the issuer's key must be a JWK of kty EC and crv P-256");
        let jwk: Jwk = serde_json::from_str(json).map_err(|_| wrong.clone())?;
        let (x, y) = (decoded(&jwk.x)?, decoded(&jwk.y)?);
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(wrong);
        }
        let point = [&[4], x.as_slice(), &y].concat();
        Ok(Self {
            point: point.try_into().map_err(|_| wrong)?,
        })
    }

    /// The parts of a JWT that this key signed.
    fn verified<'t>(&self, jwt: &'t str) -> Result<Parts<'t>, StatusListError> {
        let parts = parts(jwt)?;
        if parts.header.alg != "ES256" {
            return Err(StatusListError::Form("an issuer signs with ES256"));
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point)
            .verify(parts.signed.as_bytes(), &parts.signature)
            .map_err(|_| StatusListError::Signature)?;
        Ok(parts)
    }
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKey").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for StatusList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = self.places();
        f.debug_struct("StatusList")
            .field("hash", &self.hash)
            .field("places", &places)
            .finish_non_exhaustive()
    }
}

impl StatusList {
    /// Reads the token that lies at `uri` (`application/statuslist+jwt`) at `now`, seconds since 1970.
    ///
    /// # Errors
    /// [`StatusListError`]: the signature is checked before anything in it is believed, and no more is inflated than [`MAX_LIST`].
    pub fn read(token: &str, uri: &str, issuer: &IssuerKey, now: i64) -> Result<Self, StatusListError> {
        let token = token.trim();
        if token.len() > MAX_TOKEN {
            return Err(StatusListError::Form("a status list has at most 2 MiB"));
        }
        let Parts { header, payload, .. } = issuer.verified(token)?;
        if header.typ.as_deref() != Some("statuslist+jwt") {
            return Err(StatusListError::Form(
                "a status list is a JWT of typ statuslist+jwt",
            ));
        }
        let claims: Claims = parsed(&payload)?;
        if claims.sub != uri {
            return Err(StatusListError::AnotherList);
        }
        let until = claims.exp.unwrap_or(claims.iat.saturating_add(WITHOUT_END));
        if claims.iat > now.saturating_add(SKEW) || now >= until {
            return Err(StatusListError::Stale);
        }
        let Compressed { bits, lst } = claims.status_list;
        if ![1, 2, 4, 8].contains(&bits) {
            return Err(StatusListError::Form("a status has 1, 2, 4 or 8 bits"));
        }
        Ok(Self {
            hash: sha256(token.as_bytes()),
            bits,
            list: inflated(&decoded(&lst)?)?,
        })
    }

    /// SHA-256 of the token: what is recorded of it.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// What it says of the credential in this place.
    ///
    /// # Errors
    /// [`StatusListError::OutOfRange`]: a place that is not there says nothing, also not that the credential counts.
    pub fn status_of(&self, idx: u64) -> Result<CredentialStatus, StatusListError> {
        if idx >= self.places() {
            return Err(StatusListError::OutOfRange);
        }
        let bit = idx * u64::from(self.bits);
        let byte = usize::try_from(bit / 8).ok().and_then(|at| self.list.get(at));
        let byte = byte.ok_or(StatusListError::OutOfRange)?;
        // The first place has the lowest bits.
        let mask = u8::MAX >> (8 - self.bits);
        Ok(match (byte >> (bit % 8)) & mask {
            0 => CredentialStatus::Valid,
            1 => CredentialStatus::Invalid,
            2 => CredentialStatus::Suspended,
            other => CredentialStatus::Other(other),
        })
    }

    fn places(&self) -> u64 {
        self.list.len() as u64 * u64::from(8 / self.bits)
    }
}

/// A compact JWS, its parts decoded.
struct Parts<'t> {
    header: Header,
    payload: Vec<u8>,
    /// Header and payload as they were signed.
    signed: &'t str,
    signature: Vec<u8>,
}

fn parts(jwt: &str) -> Result<Parts<'_>, StatusListError> {
    let wrong = || StatusListError::Form("this is no compact JWT of three parts");
    let (signed, signature) = jwt.rsplit_once('.').ok_or_else(wrong)?;
    let (header, payload) = signed.split_once('.').ok_or_else(wrong)?;
    Ok(Parts {
        header: parsed(&decoded(header)?)?,
        payload: decoded(payload)?,
        signed,
        signature: decoded(signature)?,
    })
}

fn decoded(text: &str) -> Result<Vec<u8>, StatusListError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| StatusListError::Form("a part is not written in base64url without padding"))
}

fn parsed<T: DeserializeOwned>(json: &[u8]) -> Result<T, StatusListError> {
    serde_json::from_slice(json)
        .map_err(|_| StatusListError::Form("a part has not the JSON of a status list or credential"))
}

fn inflated(compressed: &[u8]) -> Result<Vec<u8>, StatusListError> {
    let mut list = Vec::new();
    let bounded = ZlibDecoder::new(compressed)
        .take(MAX_LIST as u64 + 1)
        .read_to_end(&mut list);
    bounded.map_err(|_| StatusListError::Form("the list is not compressed with zlib"))?;
    if list.len() > MAX_LIST {
        return Err(StatusListError::Form("a status list inflates to at most 8 MiB"));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use serde_json::{Value, json};

    use super::*;

    const URI: &str = "https://board.example.com/statuslists/1";
    const NOW: i64 = 1_800_000_000;

    struct Issuer(EcdsaKeyPair);

    impl Issuer {
        fn new() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
        }

        fn key(&self) -> IssuerKey {
            let point = self.0.public_key().as_ref();
            let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
            let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "1"});
            IssuerKey::from_jwk(&jwk.to_string()).expect("a key")
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            let signed = format!("{header}.{claims}");
            let signature = self
                .0
                .sign(&SystemRandom::new(), signed.as_bytes())
                .expect("signed");
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn token(&self, claims: &Value) -> String {
            self.sign(
                &json!({"typ": "statuslist+jwt", "alg": "ES256", "kid": "1"}),
                claims,
            )
        }

        fn read(&self, claims: &Value) -> Result<StatusList, StatusListError> {
            StatusList::read(&self.token(claims), URI, &self.key(), NOW)
        }
    }

    fn claims(bits: u8, lst: &str) -> Value {
        json!({"sub": URI, "iat": NOW, "ttl": 3_600, "exp": NOW + 86_400, "status_list": {"bits": bits, "lst": lst}})
    }

    fn compressed(bytes: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("compressed");
        URL_SAFE_NO_PAD.encode(encoder.finish().expect("compressed"))
    }

    #[test]
    fn the_specifications_lists_are_read_as_it_says() {
        let issuer = Issuer::new();
        let one = issuer
            .read(&claims(1, "eNrbuRgAAhcBXQ"))
            .expect("the example of one bit");
        let found: Vec<_> = (0..16).map(|idx| one.status_of(idx).expect("there")).collect();
        let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1].map(|bit| match bit {
            0 => CredentialStatus::Valid,
            _ => CredentialStatus::Invalid,
        });
        assert_eq!(found, expected);
        for behind in [16, u64::MAX] {
            assert_eq!(one.status_of(behind), Err(StatusListError::OutOfRange));
        }
        let two = issuer
            .read(&claims(2, "eNo76fITAAPfAgc"))
            .expect("the example of two bits");
        let found: Vec<_> = (0..12).map(|idx| two.status_of(idx).expect("there")).collect();
        let expected = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3].map(|status| match status {
            0 => CredentialStatus::Valid,
            1 => CredentialStatus::Invalid,
            2 => CredentialStatus::Suspended,
            other => CredentialStatus::Other(other),
        });
        assert_eq!(found, expected);
        let eight = issuer
            .read(&claims(8, &compressed(&[0, 2, 200])))
            .expect("eight bits");
        assert_eq!(eight.status_of(2), Ok(CredentialStatus::Other(200)));
        assert_eq!(eight.status_of(3), Err(StatusListError::OutOfRange));
    }

    #[test]
    fn a_list_counts_from_its_issuer_for_its_address_and_time_alone() {
        let issuer = Issuer::new();
        let good = claims(1, &compressed(&[0]));
        let token = issuer.token(&good);
        let list = StatusList::read(&token, URI, &issuer.key(), NOW).expect("good");
        assert_eq!(list.hash(), sha256(token.as_bytes()));
        let another = StatusList::read(&token, URI, &Issuer::new().key(), NOW);
        assert_eq!(another, Err(StatusListError::Signature));
        let elsewhere = StatusList::read(
            &token,
            "https://board.example.com/statuslists/2",
            &issuer.key(),
            NOW,
        );
        assert_eq!(elsewhere, Err(StatusListError::AnotherList));
        let at = |now| StatusList::read(&token, URI, &issuer.key(), now);
        assert!(at(NOW - SKEW).is_ok() && at(NOW + 86_399).is_ok());
        for stale in [NOW - SKEW - 1, NOW + 86_400, i64::MIN, i64::MAX] {
            assert_eq!(at(stale), Err(StatusListError::Stale), "{stale}");
        }
        let mut lasting = good;
        lasting.as_object_mut().expect("an object").remove("exp");
        let lasting = issuer.token(&lasting);
        assert!(StatusList::read(&lasting, URI, &issuer.key(), NOW + WITHOUT_END - 1).is_ok());
        let over = StatusList::read(&lasting, URI, &issuer.key(), NOW + WITHOUT_END);
        assert_eq!(over, Err(StatusListError::Stale));

        // What was signed is what is read: not another's claims under the same signature.
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (header, _) = signed.split_once('.').expect("three parts");
        let others = URL_SAFE_NO_PAD.encode(claims(1, &compressed(&[1])).to_string());
        let swapped = format!("{header}.{others}.{signature}");
        let swapped = StatusList::read(&swapped, URI, &issuer.key(), NOW);
        assert_eq!(swapped, Err(StatusListError::Signature));
    }

    #[test]
    fn what_is_no_status_list_is_refused_and_none_is_inflated_without_bound() {
        let issuer = Issuer::new();
        let good = claims(1, &compressed(&[0]));
        for header in [
            json!({"typ": "JWT", "alg": "ES256"}),
            json!({"typ": "statuslist+jwt", "alg": "none"}),
            json!({"typ": "statuslist+jwt", "alg": "HS256"}),
        ] {
            let token = issuer.sign(&header, &good);
            let read = StatusList::read(&token, URI, &issuer.key(), NOW);
            assert!(matches!(read, Err(StatusListError::Form(_))), "{header}");
        }
        let bomb = compressed(&vec![0; MAX_LIST + 1]);
        assert!(bomb.len() < 64 << 10);
        for wrong in [
            claims(3, &compressed(&[0])),
            claims(0, &compressed(&[0])),
            claims(1, "AAAA"),
            claims(1, "*"),
            claims(1, &bomb),
            json!({"sub": URI}),
        ] {
            assert!(matches!(issuer.read(&wrong), Err(StatusListError::Form(_))));
        }
        for text in ["", ".", "..", "a.b", "a.b.c", &"x".repeat(MAX_TOKEN + 1)] {
            let read = StatusList::read(text, URI, &issuer.key(), NOW);
            assert!(matches!(read, Err(StatusListError::Form(_))));
        }
        for jwk in [
            "{}",
            r#"{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}"#,
            r#"{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}"#,
        ] {
            assert!(matches!(IssuerKey::from_jwk(jwk), Err(StatusListError::Form(_))));
        }
    }

    #[test]
    fn a_credential_says_where_its_status_stands() {
        let issuer = Issuer::new();
        let header = json!({"typ": "dc+sd-jwt", "alg": "ES256"});
        let status =
            json!({"iss": "https://board.example.com", "status": {"status_list": {"idx": 7, "uri": URI}}});
        let credential = issuer.sign(&header, &status);
        let expected = StatusReference {
            uri: URI.to_owned(),
            idx: 7,
        };
        for compact in [credential.clone(), format!("{credential}~WyJzYWx0Il0~\n")] {
            assert_eq!(
                StatusReference::of(&compact, &issuer.key()),
                Ok(Some(expected.clone()))
            );
        }
        let of_another = StatusReference::of(&credential, &Issuer::new().key());
        assert_eq!(of_another, Err(StatusListError::Signature));
        let without = issuer.sign(&header, &json!({"iss": "https://board.example.com"}));
        assert_eq!(StatusReference::of(&without, &issuer.key()), Ok(None));
        let long = json!({"status": {"status_list": {"idx": 0, "uri": "u".repeat(MAX_URI + 1)}}});
        for wrong in [
            issuer.sign(&header, &long),
            issuer.sign(
                &header,
                &json!({"status": {"status_list": {"idx": -1, "uri": URI}}}),
            ),
            "text".to_owned(),
        ] {
            let found = StatusReference::of(&wrong, &issuer.key());
            assert!(matches!(found, Err(StatusListError::Form(_))));
        }
    }
}
