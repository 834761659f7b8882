//! Common grants in one line each: a name, whom it is for, and out come the provisions and how long they usually hold.
//!
//! | name | permits | to | for |
//! |---|---|---|---|
//! | `treatment` | all data for treatment, emergencies included | organisations | a year |
//! | `care-team` | the same | one group of an organisation | a year |
//! | `person` | the same | one person of an organisation | 90 days |
//! | `emergency-travel` | glucose results and insulin, for emergency treatment | everybody, or organisations | 12 hours |
//! | `research` | laboratory, medication, problems, vital signs, for research | one study of an institute | a year |
//! | `payment` | what a claim rests on, for payment | a payer | 180 days |
//! | `second-opinion` | looking at findings, for treatment | organisations, or one person | 30 days |
//! | `block` | nothing: denies everything, and stands over every permit | organisations, a group or a person | ten years |
//!
//! None opens data with a sensitivity label, and none breaks the glass. LOINC codes are © Regenstrief Institute, used under the LOINC licence.

use crate::HealthError;
use crate::codes::{ATC, Action, Category, Code, CodeFilter, LOINC, Obligation, Purpose, RXNORM};
use crate::contracts::consent::{ActorFilter, Effect, Provision};
use crate::roles::{Role, is_group};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

crate::codes::code_enum! {
    /// A common grant, by its name on the command line.
    Template {
        /// Treatment at organisations.
        Treatment = "treatment",
        /// Treatment by a care team or department.
        CareTeam = "care-team",
        /// Treatment by one person.
        Person = "person",
        /// Glucose and insulin for emergencies on a journey.
        EmergencyTravel = "emergency-travel",
        /// One study.
        Research = "research",
        /// Payment by a payer.
        Payment = "payment",
        /// Another opinion on findings.
        SecondOpinion = "second-opinion",
        /// Nothing any more.
        Block = "block",
    }
}

/// Whom a grant is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    /// MSP ids. Empty is every member, where the template allows it.
    pub organisations: Vec<String>,
    /// A group of the organisation: a department, a care team, a study.
    pub group: Option<String>,
    /// One person of the organisation, as [`crate::contracts::consent::Requester::person`].
    pub person: Option<String>,
}

impl Template {
    /// The provisions of the grant. `INVALID_CODE` says what the template needs of its recipients, or does not take.
    pub fn provisions(self, to: &Recipients) -> Result<Vec<Provision>, HealthError> {
        self.check(to)?;
        let permit = Provision {
            actors: actors(to, self.role()),
            purposes: vec![Purpose::Treatment],
            ..Provision::new(Effect::Permit)
        };
        Ok(match self {
            Self::Treatment | Self::CareTeam | Self::Person => vec![permit],
            Self::EmergencyTravel => emergency_travel(&Provision {
                purposes: vec![Purpose::EmergencyTreatment],
                obligations: vec![Obligation::DeleteAfterUse],
                ..permit
            }),
            Self::Research => vec![Provision {
                purposes: vec![Purpose::Research],
                categories: vec![
                    Category::Laboratory,
                    Category::VitalSigns,
                    Category::Medication,
                    Category::Problem,
                ],
                obligations: vec![
                    Obligation::NoRedisclosure,
                    Obligation::NoReuse,
                    Obligation::NoRelinking,
                    Obligation::Pseudonymize,
                ],
                ..permit
            }],
            Self::Payment => vec![Provision {
                purposes: vec![Purpose::Payment],
                categories: vec![
                    Category::Medication,
                    Category::Problem,
                    Category::Report,
                    Category::Procedure,
                    Category::Encounter,
                ],
                obligations: vec![
                    Obligation::MinimumNecessary,
                    Obligation::AccountOfDisclosures,
                    Obligation::NoReuse,
                ],
                ..permit
            }],
            Self::SecondOpinion => vec![Provision {
                actions: vec![Action::Access],
                categories: vec![
                    Category::Laboratory,
                    Category::Problem,
                    Category::Note,
                    Category::Report,
                    Category::Imaging,
                    Category::Procedure,
                ],
                obligations: vec![Obligation::DeleteAfterUse, Obligation::NoRedisclosure],
                ..permit
            }],
            Self::Block => vec![Provision {
                actors: actors(to, None),
                ..Provision::new(Effect::Deny)
            }],
        })
    }

    /// How long such a grant usually holds, in seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Treatment | Self::CareTeam | Self::Research => 365 * DAY,
            Self::Person => 90 * DAY,
            Self::EmergencyTravel => 12 * HOUR,
            Self::Payment => 180 * DAY,
            Self::SecondOpinion => 30 * DAY,
            Self::Block => 3_650 * DAY,
        }
    }

    /// What it says, for people.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Treatment => {
                "treatment at an organisation, emergencies included; nothing with a sensitivity label"
            }
            Self::CareTeam => "as treatment, by one group of an organisation",
            Self::Person => "as treatment, by one person of an organisation",
            Self::EmergencyTravel => {
                "emergency treatment anywhere: glucose results and insulin, the rest stays closed"
            }
            Self::Research => {
                "one study: laboratory, vital signs, medication and problems, under a pseudonym, not passed on"
            }
            Self::Payment => "a payer: what a claim rests on, no more than necessary",
            Self::SecondOpinion => {
                "looking at findings for another opinion, deleted after use, not passed on"
            }
            Self::Block => "nothing: stands over every other consent",
        }
    }

    fn role(self) -> Option<Role> {
        match self {
            Self::Research => Some(Role::Researcher),
            _ => None,
        }
    }

    fn check(self, to: &Recipients) -> Result<(), HealthError> {
        let one = to.organisations.len() == 1;
        let problem = match self {
            Self::Treatment | Self::Payment if to.organisations.is_empty() => {
                Some("it needs an organisation")
            }
            Self::SecondOpinion | Self::Block if to.organisations.is_empty() => {
                Some("it needs an organisation")
            }
            Self::CareTeam if !one || to.group.is_none() => Some("it needs one organisation and its group"),
            Self::Person if !one || to.person.is_none() => Some("it needs one organisation and its person"),
            Self::Research if !one || to.group.is_none() => {
                Some("it needs one institute and its study as a group")
            }
            Self::Treatment | Self::EmergencyTravel | Self::Payment
                if to.group.is_some() || to.person.is_some() =>
            {
                Some("it is for whole organisations; care-team and person are for less")
            }
            _ if to.organisations.len() > 1 && (to.group.is_some() || to.person.is_some()) => {
                Some("a group or a person belongs to one organisation")
            }
            _ if to.group.as_deref().is_some_and(|group| !is_group(group)) => {
                Some("a group has 1 to 32 letters, digits, -, . or _")
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(HealthError::InvalidCode(format!("template {self}: {problem}"))),
            None => Ok(()),
        }
    }
}

fn actors(to: &Recipients, role: Option<Role>) -> Vec<ActorFilter> {
    to.organisations
        .iter()
        .map(|organisation| ActorFilter {
            organisation: Some(organisation.clone()),
            role,
            person: to.person.clone(),
            group: to.group.clone(),
        })
        .collect()
}

/// Laboratory results by their codes (glucose in blood, serum, plasma and capillary blood; HbA1c), and insulins by theirs. A request names
/// the codes it asks for: what it leaves open satisfies no permit that is restricted.
fn emergency_travel(permit: &Provision) -> Vec<Provision> {
    const GLUCOSE: [&str; 6] = ["2339-0", "2345-7", "14749-6", "15074-8", "41653-7", "4548-4"];
    let filter = |system: &str, code: &str, is_a| CodeFilter {
        code: Code {
            system: system.to_owned(),
            code: code.to_owned(),
        },
        is_a,
    };
    vec![
        Provision {
            categories: vec![Category::Laboratory],
            codes: GLUCOSE.map(|code| filter(LOINC, code, false)).into(),
            ..permit.clone()
        },
        Provision {
            categories: vec![Category::Medication],
            codes: vec![filter(RXNORM, "5856", true), filter(ATC, "A10A", true)],
            ..permit.clone()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consortium::Policy;
    use crate::contracts::consent::{AccessRequest, Consent, MAX_CONSENT_SECONDS, Requester};
    use crate::date::Period;
    use crate::decision::{Decision, Verdict, decide};
    use crate::ids::{ConsentId, KemPublicKey, PatientId, Salt};
    use Category::{Imaging, Laboratory, Medication, Note, Problem};
    use Purpose::{BreakTheGlass, EmergencyTreatment, Payment, Research, Treatment};

    fn at(organisation: &str) -> Recipients {
        Recipients {
            organisations: vec![organisation.into()],
            ..Recipients::default()
        }
    }

    /// Somebody of an organisation, of the group `icu`.
    fn of(organisation: &str, role: Role) -> Requester {
        Requester {
            organisation: organisation.into(),
            role,
            person: "doctor".into(),
            groups: vec!["icu".into()],
        }
    }

    fn ask(template: Template, to: &Recipients, who: &Requester, request: &AccessRequest) -> Decision {
        let consent = Consent {
            id: ConsentId::from_bytes([1; 16]),
            patient: request.patient,
            period: Period {
                from: 0,
                until: template.seconds(),
            },
            provisions: template.provisions(to).unwrap(),
            grounds: Default::default(),
            limits: Default::default(),
            supersedes: None,
            salt: Salt::from_bytes([1; 32]),
        };
        consent.validate().unwrap();
        decide(&[consent], who, request, &Policy::default(), 1)
    }

    fn request(purpose: Purpose, category: Category) -> AccessRequest {
        AccessRequest::new(
            PatientId::from_bytes([1; 32]),
            purpose,
            [category],
            KemPublicKey::from_bytes([0; 32]),
        )
    }

    fn opens(
        template: Template,
        to: &Recipients,
        who: &Requester,
        purpose: Purpose,
        category: Category,
    ) -> bool {
        ask(template, to, who, &request(purpose, category)).verdict == Verdict::Permit
    }

    #[test]
    fn treatment_opens_everything_unlabelled_at_the_organisation_and_nothing_elsewhere() {
        let (to, clinic) = (at("ClinicMSP"), of("ClinicMSP", Role::Clinician));
        for category in [Laboratory, Note, Imaging] {
            assert!(opens(Template::Treatment, &to, &clinic, Treatment, category));
            assert!(opens(
                Template::Treatment,
                &to,
                &clinic,
                EmergencyTreatment,
                category
            ));
        }
        for purpose in [Payment, Research, BreakTheGlass] {
            assert!(!opens(Template::Treatment, &to, &clinic, purpose, Laboratory));
        }
        assert!(!opens(
            Template::Treatment,
            &to,
            &of("OtherMSP", Role::Clinician),
            Treatment,
            Laboratory
        ));
        let mut mental = request(Treatment, Note);
        mental.labels = Some(vec!["PSY".parse().unwrap()]);
        assert_ne!(
            ask(Template::Treatment, &to, &clinic, &mental).verdict,
            Verdict::Permit
        );
    }

    #[test]
    fn a_care_team_and_a_person_are_not_their_whole_organisation() {
        let doctor = of("ClinicMSP", Role::Clinician);
        let team = |group: &str| Recipients {
            group: Some(group.into()),
            ..at("ClinicMSP")
        };
        assert!(opens(Template::CareTeam, &team("icu"), &doctor, Treatment, Note));
        assert!(!opens(
            Template::CareTeam,
            &team("surgery"),
            &doctor,
            Treatment,
            Note
        ));
        let namesake = of("OtherMSP", Role::Clinician);
        assert!(!opens(
            Template::CareTeam,
            &team("icu"),
            &namesake,
            Treatment,
            Note
        ));
        let person = |person: &str| Recipients {
            person: Some(person.into()),
            ..at("ClinicMSP")
        };
        assert!(opens(
            Template::Person,
            &person("doctor"),
            &doctor,
            Treatment,
            Note
        ));
        assert!(!opens(
            Template::Person,
            &person("colleague"),
            &doctor,
            Treatment,
            Note
        ));
        assert!(!opens(
            Template::Person,
            &person("doctor"),
            &namesake,
            Treatment,
            Note
        ));
    }

    #[test]
    fn on_a_journey_any_emergency_room_sees_glucose_and_insulin_for_hours_and_the_rest_stays_closed() {
        let anywhere = Recipients::default();
        let stranger = of("FarAwayMSP", Role::Emergency);
        let coded = |purpose, category, system: &str, code: &str| {
            let mut asked = request(purpose, category);
            asked.codes = Some(vec![Code {
                system: system.into(),
                code: code.into(),
            }]);
            ask(Template::EmergencyTravel, &anywhere, &stranger, &asked)
        };
        for (category, system, code) in [
            (Laboratory, LOINC, "2339-0"),
            (Laboratory, LOINC, "4548-4"),
            (Medication, RXNORM, "274783"),
            (Medication, ATC, "A10AB01"),
        ] {
            let decision = coded(EmergencyTreatment, category, system, code);
            assert_eq!(decision.verdict, Verdict::Permit, "{code}");
            assert_eq!(decision.obligations, [Obligation::DeleteAfterUse]);
            assert_eq!(decision.ends_at, Some(12 * HOUR));
            assert_ne!(
                coded(Treatment, category, system, code).verdict,
                Verdict::Permit,
                "no emergency"
            );
            assert_ne!(
                coded(BreakTheGlass, category, system, code).verdict,
                Verdict::Permit,
                "another path"
            );
        }
        for (category, system, code) in [
            (Laboratory, LOINC, "7917-8"),
            (Medication, ATC, "N06AB06"),
            (Medication, RXNORM, "36437"),
            (Problem, "http://hl7.org/fhir/sid/icd-10-cm", "E10.9"),
        ] {
            assert_ne!(
                coded(EmergencyTreatment, category, system, code).verdict,
                Verdict::Permit,
                "{code}"
            );
        }
        assert!(!opens(
            Template::EmergencyTravel,
            &anywhere,
            &stranger,
            EmergencyTreatment,
            Laboratory
        ));
    }

    #[test]
    fn a_study_gets_its_categories_under_conditions_and_another_study_nothing() {
        let study = Recipients {
            group: Some("icu".into()),
            ..at("InstituteMSP")
        };
        let researcher = of("InstituteMSP", Role::Researcher);
        let decision = ask(
            Template::Research,
            &study,
            &researcher,
            &request(Research, Laboratory),
        );
        assert_eq!(decision.verdict, Verdict::Permit);
        for obligation in [
            Obligation::NoRedisclosure,
            Obligation::NoRelinking,
            Obligation::Pseudonymize,
        ] {
            assert!(decision.obligations.contains(&obligation));
        }
        assert!(!opens(Template::Research, &study, &researcher, Research, Note));
        assert!(!opens(
            Template::Research,
            &study,
            &researcher,
            Treatment,
            Laboratory
        ));
        assert!(!opens(
            Template::Research,
            &study,
            &of("InstituteMSP", Role::Clinician),
            Research,
            Laboratory
        ));
        let other = Requester {
            groups: vec!["study-8".into()],
            ..researcher
        };
        assert!(!opens(Template::Research, &study, &other, Research, Laboratory));
    }

    #[test]
    fn a_payer_sees_what_a_claim_rests_on_and_no_notes() {
        let (to, payer) = (at("InsurerMSP"), of("InsurerMSP", Role::Payer));
        assert!(opens(
            Template::Payment,
            &to,
            &payer,
            Payment,
            Category::Procedure
        ));
        assert!(opens(Template::Payment, &to, &payer, Purpose::Coverage, Problem));
        assert!(!opens(Template::Payment, &to, &payer, Payment, Note));
        assert!(!opens(
            Template::Payment,
            &to,
            &payer,
            Treatment,
            Category::Procedure
        ));
    }

    #[test]
    fn a_second_opinion_looks_and_keeps_nothing() {
        let (to, clinic) = (at("ClinicMSP"), of("ClinicMSP", Role::Clinician));
        let decision = ask(
            Template::SecondOpinion,
            &to,
            &clinic,
            &request(Treatment, Imaging),
        );
        assert_eq!(
            decision.obligations,
            [Obligation::DeleteAfterUse, Obligation::NoRedisclosure]
        );
        let mut copying = request(Treatment, Imaging);
        copying.action = Action::Collect;
        assert_ne!(
            ask(Template::SecondOpinion, &to, &clinic, &copying).verdict,
            Verdict::Permit
        );
        assert!(!opens(
            Template::SecondOpinion,
            &to,
            &clinic,
            Treatment,
            Medication
        ));
    }

    #[test]
    fn a_block_denies_its_organisation_alone_whatever_for() {
        let to = at("ClinicMSP");
        for purpose in [Treatment, EmergencyTreatment, Research, BreakTheGlass] {
            let decision = ask(
                Template::Block,
                &to,
                &of("ClinicMSP", Role::Clinician),
                &request(purpose, Note),
            );
            assert_eq!(decision.verdict, Verdict::Deny);
        }
        let other = ask(
            Template::Block,
            &to,
            &of("OtherMSP", Role::Clinician),
            &request(Treatment, Note),
        );
        assert_eq!(other.verdict, Verdict::NotApplicable);
    }

    #[test]
    fn a_template_says_whom_it_needs() {
        let nobody = Recipients::default();
        for template in Template::ALL {
            assert_eq!(template.as_str().parse::<Template>().unwrap(), *template);
            assert!((1..MAX_CONSENT_SECONDS).contains(&template.seconds()));
            assert!(!template.summary().is_empty());
            let needs_somebody = *template != Template::EmergencyTravel;
            assert_eq!(
                template.provisions(&nobody).is_err(),
                needs_somebody,
                "{template}"
            );
        }
        let two = Recipients {
            organisations: vec!["ClinicMSP".into(), "OtherMSP".into()],
            ..Recipients::default()
        };
        assert!(Template::Treatment.provisions(&two).is_ok());
        assert!(Template::Research.provisions(&two).is_err());
        let strange = Recipients {
            group: Some("a b".into()),
            ..at("ClinicMSP")
        };
        assert!(Template::CareTeam.provisions(&strange).is_err());
        assert!(Template::Treatment.provisions(&strange).is_err());
    }
}
