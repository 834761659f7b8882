//! A patient at one custodian, with who carries the acts there.

use careledger_api::contracts::identity::AccountView;
use careledger_api::roles::Role;
use careledger_sdk::HealthClient;
use careledger_sdk::wallet::{PatientAt, Signed};

use super::Patient;
use super::args::OwnArgs;
use crate::Result;

/// A patient at one custodian, with who carries the acts there.
#[derive(Debug)]
pub struct Visit {
    /// The custodian, by its MSP id.
    pub custodian: String,
    /// The organisation whose portal carries the acts, by its MSP id.
    pub reader: String,
    /// Who signs.
    pub at: PatientAt,
    /// The portal.
    pub portal: HealthClient,
}

impl Visit {
    /// `carrier` is the organisation whose portal carries it; without one, the custodian's own.
    pub async fn open(patient: &Patient, custodian: String, carrier: Option<&str>) -> Result<Self> {
        let reader = carrier.unwrap_or(&custodian).to_owned();
        let portal = patient.site.client(&reader, Role::Portal).await?;
        Ok(Self {
            at: patient.at(&custodian)?,
            custodian,
            reader,
            portal,
        })
    }

    /// At the one custodian that the options name or leave.
    pub(super) async fn at_one(patient: &Patient, args: &OwnArgs) -> Result<Self> {
        let custodian = patient.custodian(args.at.as_deref())?;
        Self::open(patient, custodian, args.carrier.as_deref()).await
    }

    /// The patient's account as the carrying organisation shows it.
    pub async fn account(&self) -> Result<AccountView> {
        let Signed { body, intent } = self.at.ask_account(&self.reader)?;
        let identity = self.portal.identity();
        Ok(identity
            .my_account(self.custodian.clone(), body, intent)
            .send()
            .await?)
    }
}
