//! What a 277CA says of a claim: status category and status codes (code sources 507 and 508), as numbers. The lists' texts are licensed.

use super::spot::{Fault, Spot};
use crate::claims::{Problem, Read};
use careledger_api::HealthError;
use careledger_api::adjudication::{Edit, EditCode};
use careledger_api::contracts::claims::{ClaimStatus, ClaimView};
use std::fmt;

/// A status of a claim: `A7:562:85` says category, code and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status {
    /// `A1` received, `A2` accepted, `A3` returned, `A6` something is missing, `A7` something is invalid, `A8` two things contradict.
    pub category: String,
    /// What it is about.
    pub code: String,
    /// Whom it is about, such as `85`, the billing provider.
    pub entity: Option<String>,
}

impl Status {
    fn new(category: &str, code: &str, entity: &str) -> Self {
        Self {
            category: category.to_owned(),
            code: code.to_owned(),
            entity: (!entity.is_empty()).then(|| entity.to_owned()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.category, self.code)?;
        match &self.entity {
            Some(entity) => write!(f, ":{entity}"),
            None => Ok(()),
        }
    }
}

/// What is said of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It came, and is not looked at yet.
    Received,
    /// It is decided about.
    Accepted,
    /// It is not, for these reasons.
    Rejected(Vec<Status>),
}

impl Word {
    /// What reading it said: received, or refused for each problem.
    pub fn of_read(read: &Read) -> Self {
        match &read.outcome {
            Ok(_) => Self::Received,
            Err(problems) => Self::rejected(problems.iter().map(of_problem)),
        }
    }

    /// What the payer has said on the ledger.
    pub fn of_view(view: &ClaimView) -> Self {
        match view.status {
            ClaimStatus::Submitted => Self::Received,
            ClaimStatus::Rejected => Self::rejected(view.rejection.iter().map(of_edit)),
            _ => Self::Accepted,
        }
    }

    /// What the contract said when it refused the claim's submission.
    pub fn of_refusal(error: &HealthError) -> Self {
        let status = match error {
            HealthError::Duplicate(_) => return Self::taken(),
            HealthError::InvalidCode(_) => unsaid(),
            HealthError::NotFound => Status::new("A3", "35", ""),
            // Nothing in the list says it; the submission's own answer does.
            _ => Status::new("A3", "0", ""),
        };
        Self::rejected([status])
    }

    /// Its number is used for another claim, or its service is claimed already.
    pub fn taken() -> Self {
        Self::rejected([Status::new("A3", "54", "")])
    }

    /// It is not on the ledger: nobody has submitted it, or it was refused then.
    pub fn not_found() -> Self {
        Self::rejected([Status::new("A4", "35", "")])
    }

    fn rejected(statuses: impl IntoIterator<Item = Status>) -> Self {
        let mut each: Vec<Status> = Vec::new();
        for status in statuses {
            if !each.contains(&status) {
                each.push(status);
            }
        }
        // It says nothing beside another.
        if each.len() > 1 {
            each.retain(|status| *status != unsaid());
        }
        if each.is_empty() {
            each.push(Status::new("A3", "0", ""));
        }
        Self::Rejected(each)
    }

    pub(super) fn statuses(&self) -> Vec<Status> {
        match self {
            Self::Received => vec![Status::new("A1", "19", "PR")],
            Self::Accepted => vec![Status::new("A2", "20", "")],
            Self::Rejected(statuses) => statuses.clone(),
        }
    }

    pub(super) fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

fn of_problem(problem: &Problem) -> Status {
    match &problem.x12 {
        Some(spot) => of_spot(spot),
        None => unsaid(),
    }
}

/// Its form is not valid.
fn unsaid() -> Status {
    Status::new("A7", "481", "")
}

fn of_spot(spot: &Spot) -> Status {
    let place = (spot.id.as_str(), spot.inside, spot.element, spot.component);
    let (code, entity) = match place {
        ("NM1", "2010AA", ..) => ("562", "85"),
        // The member is not found, or its number is not there.
        ("NM1", "2010BA", ..) if spot.fault == Fault::Refused => return Status::new("A3", "33", "IL"),
        ("NM1", "2010BA", ..) => ("164", "IL"),
        ("NM1", "2010BB", ..) => return Status::new("A3", "116", ""),
        ("NM1", "2300" | "2400", ..) => ("562", "82"),
        ("CLM", _, 1, _) => ("478", ""),
        ("CLM", _, 2, _) if spot.fault == Fault::Refused => return Status::new("A8", "400", ""),
        ("CLM", _, 2, _) => ("178", ""),
        ("CLM", _, 5, 3) => ("535", ""),
        ("CLM", _, 5, _) => ("249", ""),
        ("REF", ..) if spot.qualifier == "G1" => ("252", "PR"),
        ("REF", ..) => ("464", ""),
        ("HI", ..) => ("255", ""),
        ("DTP", ..) => ("187", ""),
        ("SVD" | "AMT", ..) => ("286", ""),
        ("SV1" | "SV3", _, 1, _) | ("SV2", _, 2, _) => ("454", ""),
        ("SV2", _, 1, _) => ("455", ""),
        ("SV1" | "SV3", _, 2, _) | ("SV2", _, 3 | 7, _) => ("178", ""),
        ("SV1", _, 3 | 4, _) | ("SV2", _, 4 | 5, _) | ("SV3", _, 6, _) => ("476", ""),
        ("SV1", _, 5, _) | ("SV3", _, 3, _) => ("249", ""),
        ("SV1", _, 7, _) | ("SV3", _, 11, _) => ("477", ""),
        ("SV3", _, 4, _) => ("245", ""),
        ("TOO", _, 3, _) => ("240", ""),
        ("TOO", ..) => ("244", ""),
        ("LX", _, 1, _) => ("121", ""),
        _ => ("481", ""),
    };
    let category = if spot.fault == Fault::Missing { "A6" } else { "A7" };
    Status::new(category, code, entity)
}

fn of_edit(edit: &Edit) -> Status {
    match edit.code {
        EditCode::ProviderIdentifier => {
            Status::new("A7", "562", if edit.line.is_some() { "82" } else { "85" })
        }
        EditCode::Duplicate => Status::new("A3", "54", ""),
        _ => unsaid(),
    }
}
