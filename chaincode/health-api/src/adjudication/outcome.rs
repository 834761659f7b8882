//! What an adjudication says.

use super::Accumulators;
use crate::ids::{AuthorisationId, ClaimId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

crate::codes::code_enum! {
    /// Which rule spoke, in the order in which they are asked.
    EditCode {
        /// The claim's form.
        Form = "FORM",
        /// A provider's identifier.
        ProviderIdentifier = "NPI",
        /// The provider is on the exclusion list: the law forbids to pay it.
        Exclusion = "EXCLUSION",
        /// The provider's credential and network.
        Credential = "CREDENTIAL",
        /// Coverage on the day of service.
        Coverage = "COVERAGE",
        /// Submitted in time.
        TimelyFiling = "TIMELY_FILING",
        /// The patient lets the payer see and pay it.
        PaymentConsent = "PAYMENT_CONSENT",
        /// An authorisation with units left.
        Authorisation = "AUTHORISATION",
        /// The code on that day, for that age and sex.
        Procedure = "PROCEDURE",
        /// Place of service and kind of claim.
        Setting = "SETTING",
        /// The plan has a price for it.
        PriceList = "PRICE_LIST",
        /// Charged above the price.
        Price = "PRICE",
        /// More units than the plan covers on a line.
        Quantity = "QUANTITY",
        /// More units than the plan covers in a time.
        UnitLimit = "LIMIT",
        /// The waiting period.
        Waiting = "WAITING",
        /// The same service again.
        Duplicate = "DUPLICATE",
        /// Much like a service claimed before.
        NearDuplicate = "NEAR_DUPLICATE",
        /// The same service claimed from another payer.
        OtherClaim = "CLAIMED_ELSEWHERE",
        /// Part of another procedure.
        Bundled = "BUNDLED",
        /// More time than a day has.
        ImpossibleDay = "IMPOSSIBLE_DAY",
        /// The member's deductible.
        Deductible = "DEDUCTIBLE",
        /// The member's copay.
        Copay = "COPAY",
        /// The member's coinsurance.
        Coinsurance = "COINSURANCE",
        /// The member has reached the year's maximum.
        OutOfPocket = "OUT_OF_POCKET",
        /// Another payer pays first.
        Coordination = "COORDINATION",
        /// A screening or the patient asks for a person's look.
        Flagged = "FLAGGED",
        /// The provider did not answer in time what it was asked.
        Unanswered = "UNANSWERED",
    }
}

impl EditCode {
    /// Whether a reviewer may set the rule aside. Not what the law forbids (exclusion, payment without consent), what is only arithmetic, or what there is
    /// nothing to pay by; and of a question that was not answered the rule that asked it, not that it was
    /// not. Who pays first is set aside where it is a question, not where it is known that another payer does.
    pub const fn may_be_set_aside(self) -> bool {
        matches!(
            self,
            Self::Credential
                | Self::TimelyFiling
                | Self::Authorisation
                | Self::Procedure
                | Self::Setting
                | Self::Quantity
                | Self::UnitLimit
                | Self::Waiting
                | Self::Duplicate
                | Self::NearDuplicate
                | Self::OtherClaim
                | Self::Bundled
                | Self::ImpossibleDay
                | Self::Coordination
                | Self::Flagged
        )
    }
}

crate::codes::code_enum! {
    /// Who bears what is not paid (claim adjustment groups of X12 835).
    Group {
        /// The provider, by its contract.
        Contractual = "CO",
        /// The patient.
        Patient = "PR",
        /// Another: no side of this claim.
        Other = "OA",
        /// The provider, because the payer says so.
        Payer = "PI",
    }
}

crate::codes::code_enum! {
    /// What a finding does to its line.
    Effect {
        /// Nothing of the line is paid.
        Denied = "DENIED",
        /// Somebody has to look at the line before it is decided.
        Pended = "PENDED",
        /// Part of the charge is not paid by the payer.
        Reduced = "REDUCED",
        /// It changes no amount.
        Noted = "NOTED",
    }
}

crate::codes::code_enum! {
    /// What can be done about a denial.
    AppealRoute {
        /// Correct the claim and submit it as a replacement (frequency 7).
        Correct = "CORRECT_AND_RESUBMIT",
        /// Appeal: another person decides than who decided before.
        Appeal = "APPEAL",
        /// Give the information that is asked for, by the day that the claim says.
        Inform = "PROVIDE_INFORMATION",
        /// Claim from the payer that pays first, then again here with what it paid.
        OtherPayer = "OTHER_PAYER_FIRST",
    }
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Which rule.
    pub code: EditCode,
    /// On which line; none for the whole claim.
    pub line: Option<u16>,
    /// In our own words, without values of the claim.
    pub explanation: Cow<'static, str>,
    /// What it does.
    pub effect: Effect,
    /// Who bears the amount; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Claim adjustment reason code (CARC), its number alone: the list's texts are licensed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Remittance advice remark code (RARC), where one says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Cow<'static, str>>,
    /// How much of the charge the payer does not pay by this rule.
    #[serde(default)]
    pub amount: i64,
    /// What can be done about it; none where there is nothing to appeal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<AppealRoute>,
}

impl Edit {
    /// Whether it is a question that the provider is asked to answer. What the payer looks at itself asks nobody.
    pub fn asks_provider(&self) -> bool {
        self.effect == Effect::Pended && self.appeal == Some(AppealRoute::Inform)
    }

    /// Whether an appeal is about it: a denial, or a reduction by a rule that somebody can set aside.
    pub fn can_be_appealed(&self) -> bool {
        match self.effect {
            Effect::Denied => true,
            Effect::Reduced => self.appeal == Some(AppealRoute::Appeal),
            Effect::Pended | Effect::Noted => false,
        }
    }

    /// What its [`AppealRoute`] comes to in words; none where nothing can be done. An appeal against a rule that no reviewer sets aside is about what the
    /// rule goes by.
    pub fn what_can_be_done(&self) -> Option<&'static str> {
        Some(match self.appeal? {
            AppealRoute::Correct => "correct the claim and submit it again as a replacement",
            AppealRoute::Inform => "give the information that is asked for",
            AppealRoute::OtherPayer => {
                "claim from the payer that pays first, then again here with what it paid"
            }
            AppealRoute::Appeal if self.code.may_be_set_aside() => "it can be appealed",
            AppealRoute::Appeal => {
                "no reviewer sets this rule aside: correct the claim, or appeal to have put right what the rule goes by"
            }
        })
    }

    /// A question that its provider has answered: what the answer is worth is the payer's to see. What asked nobody stays as it is.
    pub(super) fn answered(self) -> Self {
        if !self.asks_provider() {
            return self;
        }
        Self {
            explanation: format!("answered, and looked at by the payer: {}", self.explanation).into(),
            appeal: None,
            ..self
        }
    }
}

/// A line's result; `charge = allowed + co + pr + oa + pi` and `pr = patient`'s parts, exactly.
///
/// The edits' amounts, by group, are these sums too: each minor unit that the payer does not pay has its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineResult {
    /// The line.
    pub sequence: u16,
    /// As submitted.
    pub charge: i64,
    /// Paid by the payer.
    pub allowed: i64,
    /// Contractual write-off.
    pub co: i64,
    /// The member's part.
    pub pr: i64,
    /// Other adjustments.
    pub oa: i64,
    /// Refused by the payer.
    pub pi: i64,
    /// Of what the member's part is made.
    pub patient: PatientPart,
    /// False: the line as a whole is denied or pended.
    pub covered: bool,
    /// Of its units those that are covered: what counts for limits and uses authorisations up.
    #[serde(default)]
    pub units: u32,
    /// Somebody has to look at the line: its charge stands under OA until then.
    #[serde(default)]
    pub pended: bool,
    /// What the rules found, in their order.
    pub edits: Vec<Edit>,
    /// The rules that let the line pass, in their order.
    pub passed: Vec<EditCode>,
}

/// Of what a member's part of a line is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientPart {
    /// Towards the year's deductible.
    pub deductible: i64,
    /// The fixed part.
    pub copay: i64,
    /// The share.
    pub coinsurance: i64,
    /// What the plan does not cover.
    pub non_covered: i64,
}

impl PatientPart {
    /// What counts towards the year's maximum; none if it overflows.
    pub fn cost_share(&self) -> Option<i64> {
        self.deductible
            .checked_add(self.copay)?
            .checked_add(self.coinsurance)
    }
}

impl LineResult {
    /// Whether the line balances to the minor unit, in its sums and in its edits.
    pub fn balances(&self) -> bool {
        let parts = [self.allowed, self.co, self.pr, self.oa, self.pi];
        let patient = [
            self.patient.deductible,
            self.patient.copay,
            self.patient.coinsurance,
            self.patient.non_covered,
        ];
        let sum = |parts: &[i64]| parts.iter().try_fold(0i64, |sum, part| sum.checked_add(*part));
        let of = |group: Group| {
            let amounts = self
                .edits
                .iter()
                .filter(|e| e.group == Some(group))
                .map(|e| e.amount);
            amounts.into_iter().try_fold(0i64, i64::checked_add)
        };
        parts.iter().chain(&patient).all(|part| *part >= 0)
            && self
                .edits
                .iter()
                .all(|e| e.amount >= 0 && (e.group.is_some() || e.amount == 0))
            && sum(&parts) == Some(self.charge)
            && sum(&patient) == Some(self.pr)
            && [
                (Group::Contractual, self.co),
                (Group::Patient, self.pr),
                (Group::Other, self.oa),
                (Group::Payer, self.pi),
            ]
            .into_iter()
            .all(|(group, amount)| of(group) == Some(amount))
    }
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjudication {
    /// The claim.
    pub claim: ClaimId,
    /// The plan's version it was decided by; 0 where the coverage is unknown.
    pub plan_version: u32,
    /// Per line, in the claim's order.
    pub lines: Vec<LineResult>,
    /// What the payer pays in all.
    pub allowed: i64,
    /// What the member pays in all, of covered lines.
    pub member: i64,
    /// The member's totals afterwards.
    pub accumulators: Accumulators,
    /// Units of authorisations that covered lines use up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<AuthorisationId, u32>,
}

crate::codes::code_enum! {
    /// An adjudication in a word.
    Verdict {
        /// A line waits for somebody.
        Pended = "PENDED",
        /// All lines are covered.
        Approved = "APPROVED",
        /// Some are.
        Partial = "PARTIAL",
        /// None is.
        Denied = "DENIED",
    }
}

impl Adjudication {
    /// Whether something in it can be appealed: a line that is denied, or reduced by a rule that somebody can set aside.
    pub fn can_be_appealed(&self) -> bool {
        let mut edits = self.lines.iter().flat_map(|line| &line.edits);
        edits.any(Edit::can_be_appealed)
    }

    /// What the provider is asked: rules by line.
    pub fn questions(&self) -> BTreeMap<u16, BTreeSet<EditCode>> {
        let mut questions = BTreeMap::new();
        for line in &self.lines {
            let asked: BTreeSet<EditCode> = line
                .edits
                .iter()
                .filter(|edit| edit.asks_provider())
                .map(|edit| edit.code)
                .collect();
            if line.pended && !asked.is_empty() {
                questions.insert(line.sequence, asked);
            }
        }
        questions
    }

    /// The adjudication in a word: pended as soon as one line is.
    pub fn verdict(&self) -> Verdict {
        if self.lines.iter().any(|line| line.pended) {
            return Verdict::Pended;
        }
        match self.lines.iter().filter(|line| line.covered).count() {
            0 => Verdict::Denied,
            covered if covered == self.lines.len() => Verdict::Approved,
            _ => Verdict::Partial,
        }
    }
}
