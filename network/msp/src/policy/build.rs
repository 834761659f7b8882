//! Signature policies without a text (common/policydsl/policydsl_builder.go).

use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::signature_policy::{NOutOf, Type};
use fabric_protos::common::{MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope};
use prost::Message;

/// The role of a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Any valid identity.
    Member,
    /// A listed admin, or one with the admin unit.
    Admin,
    /// One with the client unit.
    Client,
    /// One with the peer unit.
    Peer,
    /// One with the orderer unit.
    Orderer,
}

impl Role {
    fn number(self) -> i32 {
        let role = match self {
            Self::Member => MspRoleType::Member,
            Self::Admin => MspRoleType::Admin,
            Self::Client => MspRoleType::Client,
            Self::Peer => MspRoleType::Peer,
            Self::Orderer => MspRoleType::Orderer,
        };
        role.into()
    }
}

/// The principal "someone of `msp_id` in `role`".
pub fn role_principal(msp_id: &str, role: Role) -> MspPrincipal {
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: MspRole {
            msp_identifier: msp_id.to_owned(),
            role: role.number(),
        }
        .encode_to_vec(),
    }
}

/// The rule "signed by principal number `index`".
pub fn signed_by(index: usize) -> SignaturePolicy {
    // A policy with two billion principals does not fit a message; saturating names a principal that is not there.
    SignaturePolicy {
        r#type: Some(Type::SignedBy(i32::try_from(index).unwrap_or(i32::MAX))),
    }
}

/// The rule "`needed` of `rules`".
pub fn n_out_of(needed: i32, rules: Vec<SignaturePolicy>) -> SignaturePolicy {
    SignaturePolicy {
        r#type: Some(Type::NOutOf(NOutOf { n: needed, rules })),
    }
}

/// `needed` signatures, each by someone in `role` of another one of `msp_ids` (sorted, as Fabric does).
pub fn n_out_of_role<S: AsRef<str>>(needed: i32, role: Role, msp_ids: &[S]) -> SignaturePolicyEnvelope {
    let mut ids: Vec<&str> = msp_ids.iter().map(AsRef::as_ref).collect();
    ids.sort_unstable();
    SignaturePolicyEnvelope {
        version: 0,
        rule: Some(n_out_of(needed, (0..ids.len()).map(signed_by).collect())),
        identities: ids.into_iter().map(|id| role_principal(id, role)).collect(),
    }
}

/// One signature by a member of any of `msp_ids`.
pub fn signed_by_any_member<S: AsRef<str>>(msp_ids: &[S]) -> SignaturePolicyEnvelope {
    n_out_of_role(1, Role::Member, msp_ids)
}

/// One signature by a peer of any of `msp_ids`.
pub fn signed_by_any_peer<S: AsRef<str>>(msp_ids: &[S]) -> SignaturePolicyEnvelope {
    n_out_of_role(1, Role::Peer, msp_ids)
}

/// One signature by an admin of any of `msp_ids`.
pub fn signed_by_any_admin<S: AsRef<str>>(msp_ids: &[S]) -> SignaturePolicyEnvelope {
    n_out_of_role(1, Role::Admin, msp_ids)
}
