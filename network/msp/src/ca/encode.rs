//! The DER of certificates and revocation lists (RFC 5280).

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{IssueRequest, Kind};
use crate::certificate::Certificate;
use crate::der::{self, tag};
use crate::error::MspError;
use crate::key::PrivateKey;

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const COUNTRY: &[u8] = &[0x55, 0x04, 0x06];
const LOCALITY: &[u8] = &[0x55, 0x04, 0x07];
const PROVINCE: &[u8] = &[0x55, 0x04, 0x08];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// 1.2.3.4.5.6.7.8.1, where Fabric CA keeps attributes.
const ATTRIBUTES: &[u8] = &[0x2a, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x01];

/// Everything that is signed in a certificate.
pub(super) struct Template {
    pub(super) serial: [u8; 16],
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) public_key: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

/// The signed certificate.
pub(super) fn certificate(template: &Template, issuer: &PrivateKey) -> Result<Vec<u8>, MspError> {
    let validity = der::sequence(&[&date(template.not_before)?, &date(template.not_after)?]);
    let extensions = der::sequence(&template.extensions.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let to_be_signed = der::sequence(&[
        &der::element(0xa0, &der::unsigned(&[2])),
        &der::unsigned(&template.serial),
        &signature_algorithm(),
        &template.issuer,
        &validity,
        &template.subject,
        &template.public_key,
        &der::element(0xa3, &extensions),
    ]);
    signed(&to_be_signed, issuer)
}

/// The signed revocation list.
pub(super) fn revocation_list(
    ca: &Certificate,
    serials: &[Vec<u8>],
    now: i64,
    next: i64,
    key: &PrivateKey,
) -> Result<Vec<u8>, MspError> {
    let this_update = date(now)?;
    let entries: Vec<u8> = serials
        .iter()
        .flat_map(|serial| der::sequence(&[&der::element(tag::INTEGER, serial), &this_update]))
        .collect();
    let mut extensions: Vec<u8> = ca.subject_key_id().map(authority_key_id).unwrap_or_default();
    extensions.extend(extension(CRL_NUMBER, false, &der::unsigned(&now.to_be_bytes())));
    let revoked = if entries.is_empty() {
        Vec::new()
    } else {
        der::element(tag::SEQUENCE, &entries)
    };
    let to_be_signed = der::sequence(&[
        &der::unsigned(&[1]),
        &signature_algorithm(),
        ca.subject_der(),
        &this_update,
        &date(next)?,
        &revoked,
        &der::element(0xa0, &der::element(tag::SEQUENCE, &extensions)),
    ]);
    signed(&to_be_signed, key)
}

/// A subject as cryptogen writes it; the place is the same for everybody and says nothing.
pub(super) fn name(organization: Option<&str>, units: &[String], common_name: &str) -> Vec<u8> {
    let mut parts = vec![attribute(COUNTRY, "US")];
    parts.extend(organization.map(|organization| attribute(ORGANIZATION, organization)));
    parts.extend(units.iter().map(|unit| attribute(ORGANIZATIONAL_UNIT, unit)));
    parts.push(attribute(LOCALITY, "San Francisco"));
    parts.push(attribute(PROVINCE, "California"));
    parts.push(attribute(COMMON_NAME, common_name));
    der::element(tag::SEQUENCE, &parts.concat())
}

pub(super) fn ca_extensions(key: &PrivateKey, issuer: Option<&[u8]>) -> Vec<Vec<u8>> {
    // RFC 7093, section 2, method 4, as Fabric: the SHA-256 of the public point.
    let identifier = digest(&SHA256, key.public().bytes());
    let mut extensions = vec![
        // digitalSignature, keyEncipherment, keyCertSign, cRLSign
        extension(KEY_USAGE, true, &[tag::BIT_STRING, 2, 1, 0b1010_0110]),
        extended_key_usage(),
        extension(
            BASIC_CONSTRAINTS,
            true,
            &der::sequence(&[&der::element(tag::BOOLEAN, &[0xff])]),
        ),
        extension(
            SUBJECT_KEY_ID,
            false,
            &der::element(tag::OCTET_STRING, identifier.as_ref()),
        ),
    ];
    extensions.extend(issuer.map(authority_key_id));
    extensions
}

pub(super) fn leaf_extensions(
    request: &IssueRequest,
    issuer: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, MspError> {
    let mut extensions = Vec::new();
    if request.kind == Kind::Tls {
        // digitalSignature, keyEncipherment
        extensions.push(extension(KEY_USAGE, true, &[tag::BIT_STRING, 2, 5, 0b1010_0000]));
        extensions.push(extended_key_usage());
    } else {
        // digitalSignature
        extensions.push(extension(KEY_USAGE, true, &[tag::BIT_STRING, 2, 7, 0b1000_0000]));
    }
    extensions.push(extension(BASIC_CONSTRAINTS, true, &der::sequence(&[])));
    extensions.extend(issuer.map(authority_key_id));
    if !request.sans.is_empty() {
        let names = request
            .sans
            .iter()
            .map(|san| general_name(san))
            .collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension(
            SUBJECT_ALT_NAME,
            false,
            &der::element(tag::SEQUENCE, &names.concat()),
        ));
    }
    if !request.attributes.is_empty() {
        let json = serde_json::json!({ "attrs": request.attributes }).to_string();
        extensions.push(extension(ATTRIBUTES, false, json.as_bytes()));
    }
    Ok(extensions)
}

/// The extensions of a certificate that is issued again: as they were, but for what names the issuer's key, and the own key where it changes.
pub(super) fn reissued_extensions(
    old: &[u8],
    same_key: bool,
    issuer: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, MspError> {
    let (_, parsed) =
        X509Certificate::from_der(old).map_err(|error| MspError::Certificate(error.to_string()))?;
    let mut extensions: Vec<Vec<u8>> = parsed
        .extensions()
        .iter()
        .filter(|old| match old.oid.as_bytes() {
            AUTHORITY_KEY_ID => false,
            SUBJECT_KEY_ID => same_key,
            _ => true,
        })
        .map(|old| extension(old.oid.as_bytes(), old.critical, old.value))
        .collect();
    extensions.extend(issuer.map(authority_key_id));
    Ok(extensions)
}

fn signed(to_be_signed: &[u8], key: &PrivateKey) -> Result<Vec<u8>, MspError> {
    let signature = key.sign(to_be_signed)?;
    Ok(der::sequence(&[
        to_be_signed,
        &signature_algorithm(),
        &der::bit_string(&signature),
    ]))
}

fn signature_algorithm() -> Vec<u8> {
    der::sequence(&[&der::oid(ECDSA_WITH_SHA256)])
}

fn attribute(kind: &[u8], value: &str) -> Vec<u8> {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    let tag = if value.bytes().all(printable) {
        tag::PRINTABLE_STRING
    } else {
        tag::UTF8_STRING
    };
    let pair = der::sequence(&[&der::oid(kind), &der::element(tag, value.as_bytes())]);
    der::element(tag::SET, &pair)
}

fn extension(kind: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        der::element(tag::BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    der::sequence(&[
        &der::oid(kind),
        &critical,
        &der::element(tag::OCTET_STRING, value),
    ])
}

fn extended_key_usage() -> Vec<u8> {
    extension(
        EXTENDED_KEY_USAGE,
        false,
        &der::sequence(&[&der::oid(CLIENT_AUTH), &der::oid(SERVER_AUTH)]),
    )
}

fn authority_key_id(identifier: &[u8]) -> Vec<u8> {
    extension(
        AUTHORITY_KEY_ID,
        false,
        &der::sequence(&[&der::element(0x80, identifier)]),
    )
}

fn general_name(san: &str) -> Result<Vec<u8>, MspError> {
    match san.parse() {
        Ok(IpAddr::V4(address)) => Ok(der::element(0x87, &address.octets())),
        Ok(IpAddr::V6(address)) => Ok(der::element(0x87, &address.octets())),
        Err(_) if san.is_ascii() && !san.is_empty() => Ok(der::element(0x82, san.as_bytes())),
        Err(_) => Err(MspError::Issue("a host name is empty or not ASCII".into())),
    }
}

/// UTCTime before 2050, GeneralizedTime from then on.
fn date(seconds: i64) -> Result<Vec<u8>, MspError> {
    let moment = OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|moment| (1950..=9999).contains(&moment.year()))
        .ok_or_else(|| MspError::Issue(format!("{seconds} is not a date that a certificate can hold")))?;
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let rest = format!("{:02}{day:02}{hour:02}{minute:02}{second:02}Z", u8::from(month));
    Ok(if year < 2050 {
        der::element(tag::UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        der::element(tag::GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes())
    })
}
