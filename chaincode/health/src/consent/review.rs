//! Reviews of broken glasses.

use super::access::StoredReview;
use crate::caller::Caller;
use crate::state::{Collection, done, registered, tx_id};
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::consent::{OpenReview, Review};
use careledger_api::event::EventKind;
use careledger_api::ids::TxId;
use careledger_api::roles::Role;
use careledger_api::{HealthError, Receipt};
use fabric_contract_core::Context;
use serde::{Deserialize, Serialize};

/// The value of `bgrev~T`.
#[derive(Serialize, Deserialize)]
struct Reviewed {
    review: Review,
    organisation: String,
    tx: TxId,
}

pub(super) fn review_key(access: &TxId) -> String {
    format!("bg~{access}")
}

pub(super) fn review_done_key(access: &TxId) -> String {
    format!("bgrev~{access}")
}

pub(super) fn review(ctx: &Context<'_>, custodian: &str, review: Review) -> Result<Receipt, HealthError> {
    let consortium = registered(ctx)?.consortium;
    let caller = Caller::of(ctx)?;
    require_reviewer(&consortium, &caller, custodian)?;
    let care = Collection::care(&consortium, custodian)?;
    review.salt.require_drawn()?;
    let open: OpenReview = care
        .get::<StoredReview>(ctx, &review_key(&review.access))?
        .ok_or(HealthError::NotFound)?
        .open;
    if open.organisation == caller.organisation {
        return Err(HealthError::SodViolation(
            "another organisation than the one that broke the glass reviews it".into(),
        ));
    }
    let key = review_done_key(&review.access);
    if !care.write_once(
        ctx,
        &key,
        &Reviewed {
            review,
            organisation: caller.organisation,
            tx: tx_id(ctx)?,
        },
    )? {
        return Err(HealthError::NotFound);
    }
    done(ctx, EventKind::Access, Some(&care))
}

/// Reviewers of a custodian's broken glasses are the data protection officers of the custodian and of the regulators.
pub(super) fn require_reviewer(
    consortium: &Consortium,
    caller: &Caller,
    custodian: &str,
) -> Result<(), HealthError> {
    let organisation = if caller.organisation == custodian {
        OrganisationRole::Custodian
    } else {
        OrganisationRole::Regulator
    };
    caller.require_in(consortium, organisation, &[Role::Dpo])
}
