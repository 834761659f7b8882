//! Consent receipts: what a patient keeps of a consent, in the fields of the Kantara consent receipt (v1.1), which ISO/IEC TS 27560 takes up, and bound to
//! the chain so that anybody with the block can check it.

use careledger_api::HealthError;
use careledger_api::contracts::consent::{
    ActorFilter, ConsentState, Effect, LawfulBasis, Limits, Provision, ReceiptBasis,
};
use careledger_api::hashing::sha256;
use careledger_api::ids::{ConsentId, Hash, PatientId, TxId};
use fabric_gateway_sdk::{DecodedTransaction, ValidationCode};
use serde::{Deserialize, Serialize};

/// Version of the receipt's fields.
pub const RECEIPT_VERSION: &str = "KI-CR-v1.1.0";

/// Who answers for the data, as the receipt names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Name, as patients know it.
    pub name: String,
    /// MSP id of the custodian.
    pub msp_id: String,
    /// Law under which it is given, such as `DE` or `US-CA`.
    pub jurisdiction: String,
    /// Language of the receipt (BCP 47).
    pub language: String,
    /// Where its privacy policy is.
    pub policy_url: String,
}

/// A consent receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentReceipt {
    /// [`RECEIPT_VERSION`].
    pub version: String,
    /// Law under which it is given: what the consent names, else the controller's.
    pub jurisdiction: String,
    /// When the consent was given, seconds since 1970.
    pub consent_timestamp: i64,
    /// How it was collected.
    pub collection_method: String,
    /// The consent's id.
    #[serde(rename = "consentReceiptID")]
    pub consent_receipt_id: ConsentId,
    /// Language.
    pub language: String,
    /// The patient, by the pairwise id at this custodian.
    pub pii_principal_id: PatientId,
    /// Who answers for the data.
    pub pii_controllers: Vec<Controller>,
    /// The policy that was agreed to, or where the controller's privacy policy is.
    pub policy_url: String,
    /// Which version of it, where the consent names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// Why the data may be processed, where the consent says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lawful_basis: Option<LawfulBasis>,
    /// SHA-256 of the signed form, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<Hash>,
    /// How often and how long what is permitted may be used.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// What is permitted and what is denied.
    pub services: Vec<Service>,
    /// Whether a rule names a sensitivity label.
    pub sensitive: bool,
    /// Whether it counted when the receipt was issued.
    pub state: ConsentState,
    /// Where the chain commits to it.
    pub proof: ReceiptProof,
}

/// One rule of the consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// What it is: `permit` or `deny`.
    pub service: Effect,
    /// What for, and what follows.
    pub purposes: Vec<ReceiptPurpose>,
}

/// A purpose of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptPurpose {
    /// v3-ActReason; `any` where the rule names none.
    pub purpose: String,
    /// How the consent was expressed.
    pub consent_type: String,
    /// Data categories; empty says all.
    pub pii_category: Vec<String>,
    /// When it ends, seconds since 1970, and how before.
    pub termination: String,
    /// Whether others than the controller receive the data.
    pub third_party_disclosure: bool,
    /// Who, by organisation, role, person or group; empty says everybody.
    pub third_party_name: Vec<String>,
}

/// Where the chain commits to a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptProof {
    /// The transaction that granted it.
    pub transaction: TxId,
    /// The collection.
    pub collection: String,
    /// SHA-256 of the private key.
    pub key_hash: Hash,
    /// SHA-256 of the private value.
    pub value_hash: Hash,
    /// The private value, whose hash it is.
    pub value: String,
}

impl ConsentReceipt {
    /// The receipt of what `consent.myReceipt` answered. `INVALID_CODE` if that answer does not hold together: the value is not the one whose hash it names,
    /// or not of this consent.
    pub fn issue(basis: ReceiptBasis, controller: Controller) -> Result<Self, HealthError> {
        let consent = &basis.view.consent;
        let grounds = &consent.grounds;
        let policy = grounds.policy.as_ref();
        let receipt = Self {
            version: RECEIPT_VERSION.to_owned(),
            jurisdiction: grounds
                .jurisdiction
                .clone()
                .unwrap_or_else(|| controller.jurisdiction.clone()),
            consent_timestamp: basis.view.given,
            collection_method: match basis.view.under {
                None => "signed with the patient's device key",
                Some(_) => "signed by who acts for the patient",
            }
            .to_owned(),
            consent_receipt_id: consent.id,
            language: controller.language.clone(),
            pii_principal_id: consent.patient,
            policy_url: policy.map_or_else(|| controller.policy_url.clone(), |p| p.uri.clone()),
            policy_version: policy.and_then(|p| p.version.clone()),
            lawful_basis: grounds.lawful_basis,
            source_digest: grounds.source,
            limits: consent.limits.clone(),
            services: consent
                .provisions
                .iter()
                .map(|rule| service(rule, basis.view.until, &controller.msp_id))
                .collect(),
            sensitive: consent
                .provisions
                .iter()
                .flat_map(|rule| &rule.labels)
                .any(|label| label.confidentiality().is_none()),
            state: basis.view.state,
            pii_controllers: vec![controller],
            proof: ReceiptProof {
                transaction: basis.view.tx,
                collection: basis.collection,
                key_hash: basis.key_hash,
                value_hash: basis.value_hash,
                value: basis.value,
            },
        };
        if receipt.holds_together() {
            Ok(receipt)
        } else {
            Err(HealthError::InvalidCode(
                "the receipt's value is not that of its hash and its consent".into(),
            ))
        }
    }

    /// Whether a committed transaction of a block shows this receipt's consent: the valid transaction it names wrote that key with that value.
    pub fn shown_by(&self, transaction: &DecodedTransaction) -> bool {
        let wrote = || {
            let invoked = transaction.chaincode()?;
            let collections = invoked.changes.iter().flat_map(|changes| &changes.private);
            let mut writes = collections
                .filter(|changes| changes.collection == self.proof.collection)
                .flat_map(|changes| &changes.hashed.hashed_writes);
            writes.find(|write| {
                write.key_hash[..] == self.proof.key_hash.as_bytes()[..]
                    && write.value_hash[..] == self.proof.value_hash.as_bytes()[..]
            })
        };
        transaction.transaction_id == self.proof.transaction.as_str()
            && transaction.code == ValidationCode::VALID
            && self.holds_together()
            && wrote().is_some()
    }

    fn holds_together(&self) -> bool {
        let value: Option<serde_json::Value> = serde_json::from_str(&self.proof.value).ok();
        let consent = value.as_ref().map(|value| &value["granted"]["consent"]);
        sha256(self.proof.value.as_bytes()) == self.proof.value_hash
            && consent.is_some_and(|consent| {
                consent["id"] == self.consent_receipt_id.to_string()
                    && consent["patient"] == self.pii_principal_id.to_string()
            })
    }
}

fn service(rule: &Provision, until: i64, controller: &str) -> Service {
    let until = rule.period.map_or(until, |period| period.until.min(until));
    let purpose = |purpose: &str| ReceiptPurpose {
        purpose: purpose.to_owned(),
        consent_type: "EXPLICIT".to_owned(),
        pii_category: rule.categories.iter().map(|c| c.as_str().to_owned()).collect(),
        termination: format!("{until}, or by revocation at any time"),
        third_party_disclosure: rule.effect == Effect::Permit
            && rule
                .actors
                .iter()
                .all(|actor| actor.organisation.as_deref() != Some(controller)),
        third_party_name: rule.actors.iter().map(actor).collect(),
    };
    Service {
        service: rule.effect,
        purposes: if rule.purposes.is_empty() {
            vec![purpose("any")]
        } else {
            rule.purposes.iter().map(|p| purpose(p.as_str())).collect()
        },
    }
}

fn actor(actor: &ActorFilter) -> String {
    let parts = [
        actor.organisation.clone(),
        actor.role.map(|role| role.as_str().to_owned()),
        actor.group.clone(),
        actor.person.clone(),
    ];
    let named: Vec<String> = parts.into_iter().flatten().collect();
    if named.is_empty() {
        "everybody".to_owned()
    } else {
        named.join(" ")
    }
}
