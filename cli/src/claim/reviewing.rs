//! The reviewer outside of the payer: a regulator's lawyer, who decides the last level of appeals. Which appeals wait there, and the claim that one is about.
//!
//! The regulator keeps nothing of claims: one of both sides' peers answers, for an appeal that the reviewer has taken up, and both see who did.

use std::collections::BTreeMap;
use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::consortium::{Consortium, OrganisationRole};
use careledger_api::contracts::claims::{
    AppealDecision, ClaimStep, ClaimView, ExplanationOfBenefits, ExternalAppeal, ExternalQuery,
};
use careledger_api::ids::ClaimId;
use careledger_api::roles::Role;
use careledger_sdk::claims::desk::anew;
use careledger_sdk::wallet::salt;
use careledger_sdk::{HealthCallError, HealthClient};
use fabric_contract_core::{CallError, Committed};
use serde_json::json;

use super::args::{BetweenArgs, SidesArgs, Step};
use super::day::Unread;
use super::money::money;
use super::reaching;
use crate::Result;
use crate::output::Output;
use crate::site::Site;

/// How often, and after which pause, a claim is looked at again that was just taken up: the peer that shows it commits at its own pace.
const LOOKS: usize = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// A reviewer, and the payers and providers whose appeals it is asked about.
#[derive(Debug)]
pub(super) struct Reviewer {
    site: Site,
    client: HealthClient,
    regulator: String,
    pairs: Vec<Pair>,
}

/// A payer and a provider, by MSP id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) payer: String,
    pub(super) provider: String,
}

/// A claim under review.
pub(super) struct Reviewed {
    pub(super) view: ClaimView,
    pub(super) pair: Pair,
    /// The transaction that took its appeal up, where this command did.
    pub(super) taken_up: Option<String>,
}

impl Reviewer {
    /// Whoever asks, if it is a regulator that neither pays nor provides.
    pub(super) async fn of(between: &BetweenArgs) -> Result<Option<Self>> {
        let site = Site::open(&between.dir)?;
        match is_regulator(site.consortium(), &between.own) {
            false => Ok(None),
            true => {
                let with = [between.other.as_str()];
                let user = between.user.as_deref();
                Self::open(site, &between.own, &with, user).await.map(Some)
            }
        }
    }

    /// That regulator's, about the claims of the two who are named as sides.
    pub(super) async fn by(regulator: &str, between: &BetweenArgs) -> Result<Self> {
        let site = Site::open(&between.dir)?;
        let with = [between.own.as_str(), between.other.as_str()];
        Self::open(site, regulator, &with, between.user.as_deref()).await
    }

    async fn open(site: Site, regulator: &str, with: &[&str], user: Option<&str>) -> Result<Self> {
        site.require_member(regulator)?;
        let regulators = site.consortium().with_role(OrganisationRole::Regulator);
        if !regulators.contains(&regulator) {
            return Err(format!(
                "{regulator} is no regulator; choose one of {}",
                regulators.join(", ")
            )
            .into());
        }
        for side in with {
            site.require_member(side)?;
        }
        let pairs = pairs(site.consortium(), with)?;
        let client = match user {
            None => site.client(regulator, Role::Legal).await?,
            Some(name) => site.client_named(regulator, name).await?,
        };
        Ok(Self {
            client,
            regulator: regulator.to_owned(),
            pairs,
            site,
        })
    }

    /// The claim that an appeal is about, taken up first where this person has not done so: payer and provider see who looks.
    pub(super) async fn claim(&self, claim: ClaimId, output: &Output) -> Result<Reviewed> {
        let (pair, seen) = self.find(claim).await?;
        if let Some(view) = seen {
            let taken_up = None;
            return Ok(Reviewed { view, pair, taken_up });
        }
        output.doing("taking the appeal up");
        let send = || async {
            let step = ClaimStep { claim, salt: salt() };
            let claims = self.client.claims();
            let sent = claims.take_up_appeal(&pair.payer, &pair.provider, step);
            sent.send().await
        };
        let taken_up = match anew(send).await {
            Ok(done) => {
                self.settle(&pair, &done).await;
                Some(done.tx_id)
            }
            // By another command of this person, in the same moment.
            Err(CallError::Contract(HealthError::Duplicate(_))) => None,
            Err(error) => return Err(reaching::told(error)),
        };
        for _ in 0..LOOKS {
            if let Some(view) = self.look(&pair, claim).await? {
                output.done();
                return Ok(Reviewed { view, pair, taken_up });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("the appeal is taken up, and the peers that could show its claim do not know it yet: run the command again".into())
    }

    /// Why its lines are paid as they are.
    pub(super) async fn explanation(
        &self,
        claim: ClaimId,
        output: &Output,
    ) -> Result<(Reviewed, ExplanationOfBenefits)> {
        let reviewed = self.claim(claim, output).await?;
        let Pair { payer, provider } = reviewed.pair.clone();
        let claims = self.client.claims();
        let explanation = claims.explanation(payer, provider, claim).send().await?;
        Ok((reviewed, explanation))
    }

    /// Decides the appeal. The level that a reviewer decides has none behind it, so it need not be named.
    pub(super) async fn decide(&self, decision: AppealDecision, output: &Output) -> Result<()> {
        let claim = decision.step.claim;
        let pair = match self.pairs.as_slice() {
            [only] => only.clone(),
            _ => self.find(claim).await?.0,
        };
        output.doing("deciding");
        let send = || async {
            let claims = self.client.claims();
            let sent = claims.decide_appeal(&pair.payer, &pair.provider, decision.clone());
            sent.send().await
        };
        let done = anew(send).await.map_err(reaching::told)?;
        self.settle(&pair, &done).await;
        output.line("the appeal is decided");
        output.committed(&done.tx_id, done.block_number);
        output.document(&json!({ "decided": claim, "tx": done.tx_id, "block": done.block_number }));
        Ok(())
    }

    /// Between whom the claim is, and how it looks where this person has taken its appeal up. A refusal of all of them says that none is open.
    async fn find(&self, claim: ClaimId) -> Result<(Pair, Option<ClaimView>)> {
        let mut refused: Option<HealthCallError> = None;
        for pair in &self.pairs {
            match self.look(pair, claim).await {
                Ok(seen) => return Ok((pair.clone(), seen)),
                // What could not be asked tells more than who refuses.
                Err(error) if is_forbidden(&error) => refused = refused.or(Some(error)),
                Err(error) => refused = Some(error),
            }
        }
        let waiting = format!(
            "`careledger claim waiting --as {}` lists those that wait",
            self.regulator
        );
        Err(match refused {
            Some(error) if is_forbidden(&error) => format!("{error}; {waiting}").into(),
            Some(error) => reaching::told(error),
            None => waiting.into(),
        })
    }

    /// The claim; none until this person has taken its appeal up.
    async fn look(
        &self,
        pair: &Pair,
        claim: ClaimId,
    ) -> std::result::Result<Option<ClaimView>, HealthCallError> {
        let claims = self.client.claims();
        let asked = claims.claim(pair.payer.clone(), pair.provider.clone(), claim);
        match asked.send().await {
            Ok(view) => Ok(Some(view)),
            Err(CallError::Contract(HealthError::ConflictState(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Both sides have it, as far as they answer: theirs is the next step.
    async fn settle<T>(&self, pair: &Pair, done: &Committed<T>) {
        let both = [pair.payer.as_str(), pair.provider.as_str()];
        self.site.settle_at(both, &done.tx_id).await;
    }

    /// All appeals of a pair that wait for a reviewer, and how many claims could not be read.
    async fn waiting(
        &self,
        pair: &Pair,
    ) -> std::result::Result<(Vec<ExternalAppeal>, usize), HealthCallError> {
        let (mut found, mut unreadable, mut query) = (Vec::new(), 0, ExternalQuery::default());
        loop {
            let claims = self.client.claims();
            let asked = claims.external_appeals(pair.payer.clone(), pair.provider.clone(), query);
            let part = asked.send().await?;
            found.extend(part.appeals);
            unreadable += part.unreadable;
            match part.next {
                None => return Ok((found, unreadable)),
                after => query = ExternalQuery { after },
            }
        }
    }
}

/// `careledger claim waiting` of a regulator.
pub(super) async fn waiting(
    site: Site,
    sides: &SidesArgs,
    step: Option<Step>,
    output: &Output,
) -> Result<()> {
    if let Some(step) = step.filter(|step| *step != Step::Appeal) {
        let step = step.as_str();
        return Err(format!("`{step}` does not wait for a reviewer outside: appeals do").into());
    }
    let with: Vec<&str> = sides.others.iter().map(String::as_str).collect();
    let reviewer = Reviewer::open(site, &sides.own, &with, sides.user.as_deref()).await?;
    output.doing("looking");
    let (mut found, mut unread) = (Vec::new(), Unread::default());
    let mut unreadable = BTreeMap::new();
    for pair in &reviewer.pairs {
        let Pair { payer, provider } = pair;
        let both = format!("{payer}, {provider}");
        match reviewer.waiting(pair).await {
            Ok((appeals, count)) => {
                found.extend(appeals.into_iter().map(|appeal| (pair, appeal)));
                if count > 0 {
                    unreadable.insert(both, count);
                }
            }
            Err(error) => unread.add(&both, &error),
        }
    }
    output.done();
    // The oldest first; what has no day that can be read is older than any.
    found.sort_by_key(|(_, appeal)| (appeal.since, appeal.claim));
    if found.is_empty() && unread.0.is_empty() {
        output.line("nothing waits");
    }
    let since = |appeal: &ExternalAppeal| appeal.since.map_or("-".to_owned(), |day| day.to_string());
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(pair, appeal)| {
            vec![
                pair.payer.clone(),
                pair.provider.clone(),
                since(appeal),
                money(appeal.charged, &appeal.currency),
                if appeal.taken_up { "yes" } else { "-" }.to_owned(),
                appeal.claim.to_string(),
            ]
        })
        .collect();
    let heads = ["PAYER", "PROVIDER", "SINCE", "CHARGED", "TAKEN UP", "CLAIM"];
    output.table(&heads, &rows);
    for (both, count) in &unreadable {
        output.line(format!(
            "{both}: {} left out, not readable there (on the way, or not written as the contract does)",
            crate::values::are(*count, "claim")
        ));
    }
    let appeals: Vec<_> = found
        .iter()
        .map(|(pair, appeal)| json!({ "payer": pair.payer, "provider": pair.provider, "appeal": appeal }))
        .collect();
    output.document(&json!({
        "reviewer": reviewer.regulator, "waiting": appeals, "unreadable": unreadable, "unread": unread.0,
    }));
    match unread.told(output) {
        None => Ok(()),
        Some(unread) => Err(unread.into()),
    }
}

/// Whether an organisation has to do with claims as a regulator alone.
pub(super) fn is_regulator(consortium: &Consortium, msp_id: &str) -> bool {
    let is = |role| consortium.has_role(msp_id, role);
    is(OrganisationRole::Regulator) && !is(OrganisationRole::Payer) && !is(OrganisationRole::Custodian)
}

/// Payers and providers with each other, all of them or those who are named.
fn pairs(consortium: &Consortium, named: &[&str]) -> Result<Vec<Pair>> {
    let payers = consortium.with_role(OrganisationRole::Payer);
    let providers = consortium.with_role(OrganisationRole::Custodian);
    if let Some(other) = named
        .iter()
        .find(|msp_id| !payers.contains(msp_id) && !providers.contains(msp_id))
    {
        return Err(format!(
            "{other} neither pays nor bills claims; payers are {}, providers {}",
            payers.join(", "),
            providers.join(", ")
        )
        .into());
    }
    // Who is both is meant as the payer.
    let (of_payers, of_providers): (Vec<&str>, Vec<&str>) =
        named.iter().partition(|msp_id| payers.contains(msp_id));
    let wanted = |named: &[&str], msp_id: &str| named.is_empty() || named.contains(&msp_id);
    let mut found = Vec::new();
    for payer in payers.iter().filter(|payer| wanted(&of_payers, payer)) {
        for provider in providers
            .iter()
            .filter(|provider| wanted(&of_providers, provider))
        {
            if payer != provider {
                found.push(Pair {
                    payer: (*payer).to_owned(),
                    provider: (*provider).to_owned(),
                });
            }
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err("of those who are named none bills another; name a payer, a provider, or both".into()),
    }
}

fn is_forbidden(error: &HealthCallError) -> bool {
    matches!(error, CallError::Contract(HealthError::Forbidden(_)))
}

#[cfg(test)]
mod tests {
    use careledger_api::consortium::Organisation;

    use super::*;

    #[test]
    fn a_reviewer_looks_at_the_pairs_that_are_named() {
        let of = |msp_id: &str, roles: &[OrganisationRole]| Organisation {
            msp_id: msp_id.to_owned(),
            roles: roles.iter().copied().collect(),
        };
        use OrganisationRole::{Custodian, Payer, Regulator};
        let consortium = Consortium {
            id: "c".to_owned(),
            channel: "health".to_owned(),
            chaincode: "careledger".to_owned(),
            organisations: vec![
                of("H", &[Custodian]),
                of("C", &[Custodian]),
                of("I", &[Payer]),
                of("K", &[Payer, Custodian]),
                of("R", &[Regulator]),
            ],
            policy: Default::default(),
        };
        let found = |named: &[&str]| -> Vec<String> {
            let found = pairs(&consortium, named).expect("known ones");
            let both = |pair: &Pair| format!("{}{}", pair.payer, pair.provider);
            found.iter().map(both).collect()
        };
        assert_eq!(found(&[]), ["IH", "IC", "IK", "KH", "KC"]);
        assert_eq!(found(&["I", "H"]), ["IH"]);
        assert_eq!(found(&["H", "I"]), ["IH"]);
        assert_eq!(found(&["H", "C"]), ["IH", "IC", "KH", "KC"]);
        assert_eq!(found(&["K"]), ["KH", "KC"]);
        assert!(pairs(&consortium, &["R"]).is_err());
        assert!(is_regulator(&consortium, "R") && !is_regulator(&consortium, "K"));
    }
}
