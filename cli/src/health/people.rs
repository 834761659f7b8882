//! Who works in an organisation that joins later.

use careledger_api::consortium::OrganisationRole;
use careledger_api::roles::{ROLE_ATTRIBUTE, Role};
use fabric_msp::cryptogen::UserSpec;
use fabric_node::NetworkSummary;

const CUSTODIAN: [Role; 12] = [
    Role::Admin,
    Role::Custodian,
    Role::Registrar,
    Role::Vault,
    Role::Notifier,
    Role::Portal,
    Role::Dpo,
    Role::ProviderBilling,
    Role::Clinician,
    Role::Emergency,
    Role::Issuer,
    Role::RecoveryOfficer,
];
const PAYER: [Role; 4] = [Role::Admin, Role::Payer, Role::Portal, Role::Issuer];
/// A payer's other people with the role `payer`: what one decides against the rules another confirms, and each of an appeal's two levels there is decided by
/// somebody who has not decided before.
const OTHER_PAYERS: [&str; 3] = ["payer2", "payer3", "payer4"];
const REGULATOR: [Role; 8] = [
    Role::Admin,
    Role::Issuer,
    Role::RecoveryOfficer,
    Role::Vault,
    Role::Legal,
    Role::Dpo,
    Role::Auditor,
    Role::Portal,
];

/// A person of each role that an organisation with these roles needs, named by the role.
pub fn people<'a>(roles: impl IntoIterator<Item = &'a OrganisationRole>, domain: &str) -> Vec<UserSpec> {
    let mut wanted: Vec<Role> = roles
        .into_iter()
        .flat_map(|role| match role {
            OrganisationRole::Custodian => CUSTODIAN.as_slice(),
            OrganisationRole::Payer => PAYER.as_slice(),
            OrganisationRole::Regulator => REGULATOR.as_slice(),
            // What later versions add needs nobody until they say whom.
            _ => &[],
        })
        .copied()
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let others = wanted.contains(&Role::Payer).then(|| other_payers(domain));
    let person = |role: Role| {
        UserSpec::client(&format!("{role}@{domain}")).with_attribute(ROLE_ATTRIBUTE, role.as_str())
    };
    wanted
        .into_iter()
        .map(person)
        .chain(others.into_iter().flatten())
        .collect()
}

/// Those at a payer's domain.
pub(super) fn other_payers(domain: &str) -> impl Iterator<Item = UserSpec> {
    let named = |name: &str| format!("{name}@{domain}");
    OTHER_PAYERS
        .map(|name| UserSpec::client(&named(name)).with_attribute(ROLE_ATTRIBUTE, Role::Payer.as_str()))
        .into_iter()
}

/// The roles among an organisation's users that ask for patients' data.
pub fn asking_in(network: &NetworkSummary, msp_id: &str) -> Vec<Role> {
    let users = network
        .organisation(msp_id)
        .map(|organisation| &organisation.users);
    Role::ALL
        .iter()
        .copied()
        .filter(|role| {
            role.needs_credential() && users.is_some_and(|users| users.contains_key(role.as_str()))
        })
        .collect()
}

/// Those among an organisation's users who decide about claims against the rules, by name; none without its issuer, who vouches for them.
pub(super) fn reviewing_in(network: &NetworkSummary, msp_id: &str) -> Vec<&'static str> {
    let Some(organisation) = network.organisation(msp_id) else {
        return Vec::new();
    };
    // The regulator's lawyer decides an appeal's last level.
    let names = std::iter::once(Role::Payer.as_str())
        .chain(OTHER_PAYERS)
        .chain([Role::Legal.as_str()]);
    let has = |name: &str| organisation.users.contains_key(name);
    match has(Role::Issuer.as_str()) {
        true => names.filter(|name| has(name)).collect(),
        false => Vec::new(),
    }
}
