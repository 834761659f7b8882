//! The rules, in their order: what can be said of a claim alone (`check`), then of each line in the light of plan, coverage and facts.
//!
//! Each rule is one file and one question: does the line pass? What depends on money comes after them, in `money`.

mod authorisation;
mod bundling;
mod coordination;
mod coverage;
pub(super) mod credential;
mod duplicate;
mod elsewhere;
mod exclusion;
mod flagged;
pub(super) mod form;
mod identifier;
mod impossible_day;
pub(super) mod limit;
mod near_duplicate;
mod payment;
mod price_list;
mod procedure;
mod setting;
mod timely_filing;
pub(super) mod unanswered;
mod waiting;

pub use identifier::npi_is_valid;

use super::{
    AppealRoute, CheckedPlan, Claim, ClaimLine, Coverage, Edit, EditCode, Effect, Facts, Group,
    ProcedureRules, Site,
};
use crate::adjudication::site::{Beside, Grain};
use crate::date::Date;

/// Checks a claim's form and identifiers; empty means accepted. All findings are given, form before identifiers.
pub fn check(claim: &Claim) -> Vec<Edit> {
    let mut found = form::check(claim);
    found.extend(identifier::check(claim));
    found
}

/// The rules on a line, in the order in which they are asked.
pub(super) const RULES: [(EditCode, Rule); 18] = [
    (EditCode::Exclusion, exclusion::check),
    (EditCode::Credential, credential::check),
    (EditCode::Coverage, coverage::check),
    (EditCode::TimelyFiling, timely_filing::check),
    (EditCode::PaymentConsent, payment::check),
    (EditCode::Authorisation, authorisation::check),
    (EditCode::Procedure, procedure::check),
    (EditCode::Setting, setting::check),
    (EditCode::PriceList, price_list::check),
    (EditCode::UnitLimit, limit::check),
    (EditCode::Waiting, waiting::check),
    (EditCode::Duplicate, duplicate::check),
    (EditCode::NearDuplicate, near_duplicate::check),
    (EditCode::OtherClaim, elsewhere::check),
    (EditCode::Bundled, bundling::check),
    (EditCode::ImpossibleDay, impossible_day::check),
    (EditCode::Coordination, coordination::check),
    (EditCode::Flagged, flagged::check),
];

/// Whether a line passes, or why not.
type Rule = fn(&Case<'_>) -> Option<Finding>;

/// A line and what it is judged by.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) claim: &'a Claim,
    pub(super) plan: CheckedPlan<'a>,
    pub(super) coverage: &'a Coverage,
    pub(super) facts: &'a Facts,
    pub(super) line: &'a ClaimLine,
    /// The lines before it that are covered, or wait, with the units that count.
    pub(super) before: &'a [(&'a ClaimLine, u32)],
    /// Lines of the claim, by number, that are denied as a whole: nothing is part of them.
    pub(super) denied: &'a std::collections::BTreeSet<u16>,
}

/// A service beside the one in question: of this claim or of one before.
pub(super) struct Service<'a> {
    pub(super) procedure: &'a str,
    pub(super) date: Date,
    pub(super) units: u32,
    pub(super) performer: &'a str,
    pub(super) site: Option<&'a Site>,
    modifiers: Modifiers<'a>,
}

enum Modifiers<'a> {
    Line(&'a ClaimLine),
    Prior(&'a std::collections::BTreeSet<String>),
}

impl<'a> Case<'a> {
    /// What the plan asks of the procedure; none if nothing.
    pub(super) fn rules(&self) -> Option<&'a ProcedureRules> {
        self.plan.inner().procedures.get(&self.line.procedure)
    }

    /// Who did it.
    pub(super) fn performer(&self) -> &'a str {
        self.claim.performer(self.line)
    }

    /// The member's other services that are covered: of lines before on this claim, then of claims before.
    pub(super) fn services(&self) -> impl Iterator<Item = Service<'a>> {
        let claim = self.claim;
        let here = self.before.iter().map(move |(line, units)| Service {
            procedure: &line.procedure,
            date: line.date,
            units: *units,
            performer: claim.performer(line),
            site: line.site.as_ref(),
            modifiers: Modifiers::Line(line),
        });
        let prior = self.facts.history.iter().map(|prior| Service {
            procedure: &prior.procedure,
            date: prior.date,
            units: prior.units,
            performer: &prior.performer,
            site: prior.site.as_ref(),
            modifiers: Modifiers::Prior(&prior.modifiers),
        });
        here.chain(prior)
    }

    /// Where services stand beside the line that nothing but the place could tell from it: of its procedure, modifiers, day and performer.
    pub(super) fn repeated(&self) -> impl Iterator<Item = Beside> {
        let (line, performer) = (self.line, self.performer());
        let same = move |service: &Service<'_>| {
            service.procedure == line.procedure
                && service.date == line.date
                && service.performer == performer
                && service.same_modifiers(line)
        };
        let services = self.services().filter(same);
        services.map(|service| Site::beside(service.site, line.site.as_ref(), Grain::Surface))
    }

    /// Whether the line carries one of these modifiers.
    pub(super) fn says(&self, modifiers: &std::collections::BTreeSet<String>) -> bool {
        self.line
            .modifiers
            .iter()
            .any(|modifier| modifiers.contains(modifier))
    }
}

impl Service<'_> {
    /// Whether it has the line's modifiers, in whatever order.
    pub(super) fn same_modifiers(&self, line: &ClaimLine) -> bool {
        match self.modifiers {
            Modifiers::Line(other) => other.sorted_modifiers() == line.sorted_modifiers(),
            Modifiers::Prior(other) => other.iter().eq(line.sorted_modifiers()),
        }
    }
}

/// Why a line does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) pends: bool,
    /// The provider can answer it.
    asks: bool,
    group: Group,
    reason: &'static str,
    remark: Option<&'static str>,
    explanation: &'static str,
    appeal: AppealRoute,
}

impl Finding {
    /// The line is denied: who bears the charge, its reason code, why, and what can be done.
    pub(super) const fn deny(
        group: Group,
        reason: &'static str,
        explanation: &'static str,
        appeal: AppealRoute,
    ) -> Self {
        Self {
            pends: false,
            asks: false,
            group,
            reason,
            remark: None,
            explanation,
            appeal,
        }
    }

    /// Somebody has to look at the line; if they uphold it, it is denied with this group and reason code.
    pub(super) const fn pend(group: Group, reason: &'static str, explanation: &'static str) -> Self {
        Self {
            pends: true,
            ..Self::deny(group, reason, explanation, AppealRoute::Appeal)
        }
    }

    /// The same for what the provider is asked.
    pub(super) const fn ask(group: Group, reason: &'static str, explanation: &'static str) -> Self {
        Self {
            asks: true,
            ..Self::pend(group, reason, explanation)
        }
    }

    /// A remark code says more.
    pub(super) const fn remark(self, remark: &'static str) -> Self {
        Self {
            remark: Some(remark),
            ..self
        }
    }

    /// Whether a reviewer may set it aside.
    pub(super) fn may_be_set_aside(&self, code: EditCode) -> bool {
        code.may_be_set_aside() && (self.pends || code != EditCode::Coordination)
    }

    pub(super) const fn group(&self) -> Group {
        self.group
    }

    /// The denial of the line's whole charge.
    pub(super) fn denial(&self, code: EditCode, line: &ClaimLine) -> Edit {
        Edit {
            effect: Effect::Denied,
            group: Some(self.group),
            reason: Some(self.reason.into()),
            remark: self.remark.map(Into::into),
            amount: line.charge,
            appeal: Some(self.appeal),
            ..note(code, line.sequence, self.explanation)
        }
    }

    /// The question; the charge stands with one of a line's questions alone.
    pub(super) fn question(&self, code: EditCode, line: &ClaimLine, first: bool) -> Edit {
        Edit {
            effect: Effect::Pended,
            group: first.then_some(Group::Other),
            reason: first.then_some(PENDING.into()),
            amount: if first { line.charge } else { 0 },
            appeal: self.asks.then_some(AppealRoute::Inform),
            ..note(code, line.sequence, self.explanation)
        }
    }

    /// That a reviewer set it aside.
    pub(super) fn set_aside(&self, code: EditCode, line: &ClaimLine) -> Edit {
        Edit {
            explanation: format!("set aside by a reviewer: {}", self.explanation).into(),
            ..note(code, line.sequence, "")
        }
    }
}

/// The reason code of a line that waits for a decision.
const PENDING: &str = "133";

/// A finding on a line that changes no amount.
pub(super) fn note(code: EditCode, line: u16, explanation: &'static str) -> Edit {
    Edit {
        code,
        line: Some(line),
        explanation: explanation.into(),
        effect: Effect::Noted,
        group: None,
        reason: None,
        remark: None,
        amount: 0,
        appeal: None,
    }
}
