//! Key-level endorsement policies as Fabric stores them: a `SignaturePolicyEnvelope` under the metadata key
//! [`METADATA_KEY`] (fabric-chaincode-go `pkg/statebased`).

use fabric_contract_core::{KeyPolicy, LedgerError, Principal, Role};
use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::{
    MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope, signature_policy,
};

use prost::Message;

/// The metadata entry that holds a key's policy.
pub const METADATA_KEY: &str = "VALIDATION_PARAMETER";

/// The envelope's bytes: `required` out of the principals, in their order.
#[must_use]
pub fn encode(policy: &KeyPolicy) -> Vec<u8> {
    let identities = policy.principals.iter().map(principal).collect();
    let rules = (0..).take(policy.principals.len()).map(|index| SignaturePolicy {
        r#type: Some(signature_policy::Type::SignedBy(index)),
    });
    let rule = signature_policy::NOutOf {
        n: i32::try_from(policy.required).unwrap_or(i32::MAX),
        rules: rules.collect(),
    };
    let rule = SignaturePolicy {
        r#type: Some(signature_policy::Type::NOutOf(rule)),
    };
    SignaturePolicyEnvelope {
        version: 0,
        rule: Some(rule),
        identities,
    }
    .encode_to_vec()
}

/// Reads an envelope that is `n` out of roles.
///
/// # Errors
/// [`LedgerError::Decode`] for nested rules and for principals that are no roles: others may set such, [`KeyPolicy`] cannot hold them.
pub fn decode(bytes: &[u8]) -> Result<KeyPolicy, LedgerError> {
    let envelope = SignaturePolicyEnvelope::decode(bytes)
        .map_err(|_| LedgerError::Decode("the key's policy is no SignaturePolicyEnvelope".to_owned()))?;
    let Some(signature_policy::Type::NOutOf(rule)) = envelope.rule.and_then(|rule| rule.r#type) else {
        return Err(other_form());
    };
    let mut principals = Vec::with_capacity(rule.rules.len());
    for part in rule.rules {
        let Some(signature_policy::Type::SignedBy(index)) = part.r#type else {
            return Err(other_form());
        };
        let identity = usize::try_from(index)
            .ok()
            .and_then(|index| envelope.identities.get(index));
        principals.push(identity.and_then(role).ok_or_else(other_form)?);
    }
    Ok(KeyPolicy {
        required: u32::try_from(rule.n).map_err(|_| other_form())?,
        principals,
    })
}

fn principal(principal: &Principal) -> MspPrincipal {
    let role = match principal.role {
        Role::Member => MspRoleType::Member,
        Role::Admin => MspRoleType::Admin,
        Role::Client => MspRoleType::Client,
        Role::Peer => MspRoleType::Peer,
        Role::Orderer => MspRoleType::Orderer,
    };
    let role = MspRole {
        msp_identifier: principal.msp_id.clone(),
        role: role.into(),
    };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec(),
    }
}

fn role(identity: &MspPrincipal) -> Option<Principal> {
    if identity.principal_classification() != Classification::Role {
        return None;
    }
    let role = MspRole::decode(identity.principal.as_slice()).ok()?;
    let kind = match role.role() {
        MspRoleType::Member => Role::Member,
        MspRoleType::Admin => Role::Admin,
        MspRoleType::Client => Role::Client,
        MspRoleType::Peer => Role::Peer,
        MspRoleType::Orderer => Role::Orderer,
    };
    Some(Principal::new(role.msp_identifier, kind))
}

fn other_form() -> LedgerError {
    LedgerError::Decode("the key's policy is not of the form `n out of roles`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let policy = KeyPolicy {
            required: 2,
            principals: vec![
                Principal::new("AMSP", Role::Peer),
                Principal::new("BMSP", Role::Admin),
                Principal::new("CMSP", Role::Member),
            ],
        };
        assert_eq!(decode(&encode(&policy)), Ok(policy));
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        let nested = SignaturePolicyEnvelope {
            version: 0,
            rule: Some(SignaturePolicy {
                r#type: Some(signature_policy::Type::SignedBy(0)),
            }),
            identities: Vec::new(),
        };
        assert_eq!(decode(&nested.encode_to_vec()), Err(other_form()));
        assert!(decode(b"\xff").is_err());
    }
}
