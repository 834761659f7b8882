//! The three guides of claims: what differs between them.

use super::segment::Wanted;
use careledger_api::adjudication::ClaimKind;

/// The implementation guide of professional claims.
const PROFESSIONAL: &str = "005010X222A1";
/// Those of institutional and of dental claims, with the one and the other errata.
const INSTITUTIONAL: [&str; 2] = ["005010X223A2", "005010X223A3"];
const DENTAL: [&str; 2] = ["005010X224A2", "005010X224A3"];

/// Files of claims.
pub(super) const CLAIMS: Wanted = Wanted {
    set: "837",
    group: "HC",
    guides: &[
        PROFESSIONAL,
        INSTITUTIONAL[0],
        INSTITUTIONAL[1],
        DENTAL[0],
        DENTAL[1],
    ],
    name: "X12 837 of one interchange",
};

/// A kind of 837.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// 837P.
    Professional,
    /// 837I.
    Institutional,
    /// 837D.
    Dental,
}

impl Form {
    /// By GS08, one of [`CLAIMS`].
    pub(super) fn of(guide: &str) -> Self {
        match guide {
            _ if INSTITUTIONAL.contains(&guide) => Self::Institutional,
            _ if DENTAL.contains(&guide) => Self::Dental,
            _ => Self::Professional,
        }
    }

    /// That of the ledger's kind; none for pharmacies and opticians.
    pub(super) fn of_kind(kind: ClaimKind) -> Option<Self> {
        match kind {
            ClaimKind::Professional => Some(Self::Professional),
            ClaimKind::Institutional => Some(Self::Institutional),
            ClaimKind::Oral => Some(Self::Dental),
            // Pharmacies and opticians.
            _ => None,
        }
    }

    /// The guide that is written.
    pub(super) fn guide(self) -> &'static str {
        match self {
            Self::Professional => PROFESSIONAL,
            Self::Institutional => INSTITUTIONAL[0],
            Self::Dental => DENTAL[0],
        }
    }

    /// The ledger's kind of claim.
    pub(super) fn kind(self) -> ClaimKind {
        match self {
            Self::Professional => ClaimKind::Professional,
            Self::Institutional => ClaimKind::Institutional,
            Self::Dental => ClaimKind::Oral,
        }
    }

    /// The segment of a line's service.
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Professional => "SV1",
            Self::Institutional => "SV2",
            Self::Dental => "SV3",
        }
    }

    /// CLM05-2: a place of service, or a type of bill.
    pub(super) fn facility(self) -> &'static str {
        match self {
            Self::Institutional => "A",
            _ => "B",
        }
    }

    /// DTP01 of the claim's own days: the statement's, or the service's.
    pub(super) fn days(self) -> Option<&'static str> {
        match self {
            Self::Professional => None,
            Self::Institutional => Some("434"),
            Self::Dental => Some("472"),
        }
    }

    /// Segments that say something the ledger's claims have no place for.
    pub(super) fn says(self, id: &str) -> bool {
        let everywhere = [
            "NTE", "K3", "PWK", "CN1", "CRC", "HCP", "LIN", "CTP", "SV5", "FRM",
        ];
        let here: &[&str] = match self {
            Self::Professional => &["CR1", "CR2", "CR3", "MEA"],
            Self::Institutional => &["CL1"],
            Self::Dental => &["DN1", "DN2"],
        };
        everywhere.contains(&id) || here.contains(&id)
    }
}
