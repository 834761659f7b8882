//! The rule table: substances and examinations by their codes, and what conflicts with what.

use super::Severity;

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const ATC: &str = "http://www.whocc.no/atc";
const LOINC: &str = "http://loinc.org";

/// A substance, class of substances or examination, and the codes that stand for it.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) members: &'static [Member],
}

/// One code of a group, or everything below it.
pub(super) struct Member {
    pub(super) system: &'static str,
    pub(super) code: &'static str,
    /// The codes that begin with it are meant as well (ATC).
    pub(super) prefix: bool,
}

/// Two substances that do not go together.
pub(super) struct Interaction {
    pub(super) one: &'static str,
    pub(super) other: &'static str,
    pub(super) severity: Severity,
    pub(super) why: &'static str,
}

/// A diagnosis that says an allergy.
pub(super) struct AllergyStatus {
    pub(super) icd10: &'static str,
    pub(super) group: &'static str,
}

/// A condition that speaks against a substance.
pub(super) struct Contraindication {
    pub(super) drug: &'static str,
    pub(super) condition: &'static str,
    pub(super) icd10: &'static [&'static str],
    pub(super) severity: Severity,
    pub(super) why: &'static str,
}

const fn rx(code: &'static str) -> Member {
    Member {
        system: RXNORM,
        code,
        prefix: false,
    }
}

const fn atc(code: &'static str) -> Member {
    Member {
        system: ATC,
        code,
        prefix: true,
    }
}

const fn loinc(code: &'static str) -> Member {
    Member {
        system: LOINC,
        code,
        prefix: false,
    }
}

/// RxNorm codes are those of ingredients.
pub(super) const SUBSTANCES: &[Group] = &[
    Group {
        name: "warfarin",
        members: &[rx("11289"), atc("B01AA03")],
    },
    Group {
        name: "acetaminophen",
        members: &[rx("161"), atc("N02BE01")],
    },
    Group {
        name: "penicillins",
        members: &[
            rx("723"),
            rx("733"),
            rx("7980"),
            rx("7984"),
            rx("70618"),
            atc("J01C"),
        ],
    },
    Group {
        name: "nonsteroidal anti-inflammatory drugs",
        members: &[rx("5640"), rx("7258"), rx("1191"), atc("M01A"), atc("N02BA01")],
    },
    Group {
        name: "clarithromycin",
        members: &[rx("21212"), atc("J01FA09")],
    },
    Group {
        name: "simvastatin",
        members: &[rx("36567"), atc("C10AA01")],
    },
    Group {
        name: "sildenafil",
        members: &[rx("136411"), atc("G04BE03")],
    },
    Group {
        name: "nitroglycerin",
        members: &[rx("4917"), atc("C01DA02")],
    },
    Group {
        name: "methotrexate",
        members: &[rx("6851"), atc("L04AX03"), atc("L01BA01")],
    },
    Group {
        name: "trimethoprim",
        members: &[rx("10829"), atc("J01EA01"), atc("J01EE01")],
    },
    Group {
        name: "spironolactone",
        members: &[rx("9997"), atc("C03DA01")],
    },
    Group {
        name: "inhibitors of the angiotensin-converting enzyme",
        members: &[rx("29046"), rx("3827"), atc("C09A")],
    },
    Group {
        name: "propranolol",
        members: &[rx("8787"), atc("C07AA05")],
    },
    Group {
        name: "metformin",
        members: &[rx("6809"), atc("A10BA02")],
    },
    Group {
        name: "succinylcholine",
        members: &[rx("10154"), atc("M03AB01")],
    },
    Group {
        name: "phenobarbital",
        members: &[rx("8134"), atc("N03AA02")],
    },
    Group {
        name: "computed tomography of the chest",
        members: &[loinc("24627-2"), loinc("24628-0"), loinc("29252-4")],
    },
    Group {
        name: "computed tomography of the head",
        members: &[loinc("24725-4"), loinc("30799-1")],
    },
    Group {
        name: "magnetic resonance imaging of the brain",
        members: &[loinc("24590-2"), loinc("24587-8")],
    },
];

pub(super) const INTERACTIONS: &[Interaction] = &[
    Interaction {
        one: "warfarin",
        other: "acetaminophen",
        severity: Severity::Moderate,
        why: "regular doses raise the risk of bleeding; check the INR",
    },
    Interaction {
        one: "warfarin",
        other: "nonsteroidal anti-inflammatory drugs",
        severity: Severity::High,
        why: "bleeding",
    },
    Interaction {
        one: "simvastatin",
        other: "clarithromycin",
        severity: Severity::High,
        why: "damage to muscle and kidney",
    },
    Interaction {
        one: "sildenafil",
        other: "nitroglycerin",
        severity: Severity::High,
        why: "dangerous fall of blood pressure",
    },
    Interaction {
        one: "methotrexate",
        other: "trimethoprim",
        severity: Severity::High,
        why: "damage to the bone marrow",
    },
    Interaction {
        one: "spironolactone",
        other: "inhibitors of the angiotensin-converting enzyme",
        severity: Severity::Moderate,
        why: "too much potassium; check it",
    },
];

pub(super) const ALLERGIES: &[AllergyStatus] = &[
    AllergyStatus {
        icd10: "Z88.0",
        group: "penicillins",
    },
    AllergyStatus {
        icd10: "Z88.6",
        group: "nonsteroidal anti-inflammatory drugs",
    },
];

/// Groups of which a patient takes one member at a time.
pub(super) const DUPLICATES: &[&str] = &[
    "nonsteroidal anti-inflammatory drugs",
    "inhibitors of the angiotensin-converting enzyme",
    "penicillins",
];

pub(super) const CONDITIONS: &[Contraindication] = &[
    Contraindication {
        drug: "propranolol",
        condition: "asthma",
        icd10: &["J45"],
        severity: Severity::High,
        why: "narrows the airways",
    },
    Contraindication {
        drug: "metformin",
        condition: "severe kidney disease",
        icd10: &["N18.4", "N18.5", "N18.6"],
        severity: Severity::High,
        why: "lactic acidosis",
    },
    Contraindication {
        drug: "nonsteroidal anti-inflammatory drugs",
        condition: "peptic ulcer",
        icd10: &["K25", "K26", "K27"],
        severity: Severity::High,
        why: "bleeding",
    },
    Contraindication {
        drug: "succinylcholine",
        condition: "malignant hyperthermia",
        icd10: &["T88.3"],
        severity: Severity::High,
        why: "may start an attack",
    },
    Contraindication {
        drug: "phenobarbital",
        condition: "acute porphyria",
        icd10: &["E80.2"],
        severity: Severity::High,
        why: "may start an attack",
    },
];
