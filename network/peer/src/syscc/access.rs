//! Who may use which resource (`core/aclmgmt` of Fabric).

use fabric_channel::Bundle;
use fabric_channel::acl::{LocalRole, local_role};
use fabric_msp::policy::{Role, role_principal};
use fabric_msp::{Identity, MspError};

use crate::Peer;

/// Access was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessRefused {
    /// The resource belongs to the peer, and the caller is not the right person of its organisation.
    #[error(
        "Failed verifying that proposal's creator satisfies local MSP principal during channelless check policy with policy [{role:?}s]: [{why}]"
    )]
    Local {
        /// What the caller must be.
        role: LocalRole,
        /// Why it is not.
        why: String,
    },
    /// The channel's policy does not hold.
    #[error("failed evaluating policy on signed data during check policy [{policy}]: [{why}]")]
    Policy {
        /// The policy's path.
        policy: String,
        /// Its answer.
        why: String,
    },
    /// Nothing says who may use the resource, so nobody may.
    #[error("Unmapped policy for {0}")]
    Unmapped(String),
}

/// Checks that the creator of a request, whose signature is verified, may use a resource of the peer or of a
/// channel.
///
/// # Errors
/// [`AccessRefused`].
pub(crate) fn check(
    peer: &Peer,
    bundle: Option<&Bundle>,
    resource: &str,
    creator: &Identity,
) -> Result<(), AccessRefused> {
    if let Some(role) = local_role(resource) {
        return check_local(peer, role, creator).map_err(|why| AccessRefused::Local { role, why });
    }
    let unmapped = || AccessRefused::Unmapped(resource.to_owned());
    check_channel(bundle.ok_or_else(unmapped)?, resource, creator)
}

/// Checks that a creator may use a resource of a channel.
///
/// # Errors
/// [`AccessRefused`].
pub fn check_channel(bundle: &Bundle, resource: &str, creator: &Identity) -> Result<(), AccessRefused> {
    let path = bundle
        .acl(resource)
        .ok_or_else(|| AccessRefused::Unmapped(resource.to_owned()))?;
    let refused = |why: String| AccessRefused::Policy {
        policy: path.to_owned(),
        why,
    };
    let policy = bundle
        .policy(path)
        .ok_or_else(|| refused("there is no such policy".to_owned()))?;
    policy
        .evaluate_identities(std::slice::from_ref(creator))
        .map_err(|error| refused(error.to_string()))
}

fn check_local(peer: &Peer, role: LocalRole, creator: &Identity) -> Result<(), String> {
    let msp = &peer.config().local_msp;
    let identity = msp
        .identity(creator.serialized())
        .map_err(|error| error.to_string())?;
    msp.validate(&identity).map_err(|error| error.to_string())?;
    let role = match role {
        LocalRole::Member => Role::Member,
        LocalRole::Admin => Role::Admin,
    };
    let satisfied = msp.satisfies(&identity, &role_principal(msp.id(), role));
    satisfied.map_err(|error| match error {
        // Scripts and people know this refusal by its text.
        MspError::OrganizationalUnits { msp, .. } if role == Role::Admin => format!(
            "The identity is not an admin under this MSP [{msp}]: The identity does not contain OU [ADMIN], MSP: [{msp}]"
        ),
        error => error.to_string(),
    })
}
