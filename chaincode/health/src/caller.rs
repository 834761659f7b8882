//! Who calls, and whether they may.

use crate::credential::require_active;
use careledger_api::HealthError;
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::consent::Requester;
use careledger_api::contracts::credential::person_of;
use careledger_api::roles::{GROUPS_ATTRIBUTE, ROLE_ATTRIBUTE, Role, parse_groups};
use fabric_contract_core::{ClientIdentity, ReadContext};

/// The proposal's creator.
pub(crate) struct Caller {
    pub(crate) organisation: String,
    role: Option<Role>,
    admin: bool,
    person: String,
    groups: Vec<String>,
}

impl Caller {
    /// Reads the creator's certificate. `UNAUTHENTICATED` if it cannot be read, `INVALID_CODE` if its groups cannot. An unknown role is
    /// no role.
    pub(crate) fn of(ctx: &ReadContext<'_>) -> Result<Self, HealthError> {
        Self::from(ctx.client()?)
    }

    /// As [`Caller::of`], of a certificate that is not the creator's.
    pub(crate) fn from(client: &ClientIdentity) -> Result<Self, HealthError> {
        Ok(Self {
            organisation: client.msp_id().to_owned(),
            role: client
                .attribute(ROLE_ATTRIBUTE)
                .and_then(|role| role.parse().ok()),
            admin: client.is_admin(),
            person: person_of(client).to_string(),
            groups: parse_groups(client.attribute(GROUPS_ATTRIBUTE).unwrap_or_default())?,
        })
    }

    /// The caller's organisation is a member of the consortium.
    pub(crate) fn require_member(&self, consortium: &Consortium) -> Result<(), HealthError> {
        if consortium.contains(&self.organisation) {
            Ok(())
        } else {
            Err(HealthError::Forbidden(
                "the caller's organisation is not a member of the consortium".into(),
            ))
        }
    }

    /// The caller has one of these roles, in any member organisation.
    pub(crate) fn require_role(&self, consortium: &Consortium, roles: &[Role]) -> Result<Role, HealthError> {
        self.require_member(consortium)?;
        match self.role.filter(|role| roles.contains(role)) {
            Some(role) => Ok(role),
            None => Err(HealthError::Forbidden(format!(
                "the caller's certificate needs the role {}",
                names(roles)
            ))),
        }
    }

    /// The caller is of that organisation and has one of these roles.
    pub(crate) fn require(&self, organisation: &str, roles: &[Role]) -> Result<(), HealthError> {
        if self.organisation == organisation && self.role.is_some_and(|role| roles.contains(&role)) {
            Ok(())
        } else {
            Err(HealthError::Forbidden(format!(
                "only clients of the organisation that keeps these data, with the role {}, may do this",
                names(roles)
            )))
        }
    }

    /// The caller has one of the roles of the custodian's own clients, or one of those of a regulator's.
    pub(crate) fn require_office(
        &self,
        consortium: &Consortium,
        custodian: &str,
        of_custodian: &[Role],
        of_regulator: &[Role],
    ) -> Result<Role, HealthError> {
        if self.organisation == custodian {
            self.require_role(consortium, of_custodian)
        } else if consortium.has_role(&self.organisation, OrganisationRole::Regulator) {
            self.require_role(consortium, of_regulator)
        } else {
            Err(HealthError::Forbidden(
                "only clients of the custodian and of regulators may do this".into(),
            ))
        }
    }

    /// The caller administers a member organisation: role `admin`, or an administrator of its MSP.
    pub(crate) fn require_admin(&self, consortium: &Consortium) -> Result<(), HealthError> {
        self.require_member(consortium)?;
        if self.admin || self.role == Some(Role::Admin) {
            Ok(())
        } else {
            Err(HealthError::Forbidden(
                "only an administrator of a member organisation may do this".into(),
            ))
        }
    }

    /// The caller's organisation has the role in the consortium and the caller one of these.
    pub(crate) fn require_in(
        &self,
        consortium: &Consortium,
        of: OrganisationRole,
        roles: &[Role],
    ) -> Result<(), HealthError> {
        self.require_role(consortium, roles)?;
        if consortium.has_role(&self.organisation, of) {
            Ok(())
        } else {
            Err(HealthError::Forbidden(format!(
                "only organisations with the role {of} may do this"
            )))
        }
    }

    /// The caller holds a credential of its organisation that counts at `at` (seconds since 1970).
    pub(crate) fn require_credential(&self, ctx: &ReadContext<'_>, at: i64) -> Result<(), HealthError> {
        require_active(ctx, &self.person, &self.organisation, at)
    }

    /// The caller as [`Requester::person`].
    pub(crate) fn person(&self) -> &str {
        &self.person
    }

    /// The caller as the asker of an access.
    pub(crate) fn requester(self, role: Role) -> Requester {
        Requester {
            organisation: self.organisation,
            role,
            person: self.person,
            groups: self.groups,
        }
    }
}

fn names(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(" or ")
}
