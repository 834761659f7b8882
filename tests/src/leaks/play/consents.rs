//! Consents: asked for, given, amended, taken back; by the patient, by delegates, guardians and officers.

use careledger::health::{CLINIC, HOSPITAL, REGULATOR};
use careledger_api::codes::{Category, Code, CodeFilter, LOINC, Purpose};
use careledger_api::contracts::consent::{
    ActorFilter, Confirmation, ConsentRequest, Effect, Guardianship, Measure, OfficialAct, Power, Provision,
    Relation, RequestWithdrawal, RevocationReason, Taken,
};
use careledger_api::date::{Date, DateRange};
use careledger_api::ids::{ActId, AuthorityId, EncounterId, Hash, RequestId};
use careledger_api::roles::Role;
use careledger_sdk::wallet::{PatientAt, salt, unix_now};
use careledger_sdk::{HealthClient, Wallet};

use super::super::Story;
use super::{ask, refused, submit};
use crate::hospital::{treatment_at_the_clinic, two_hours};

/// Plays all of it. At the end nothing is granted.
pub(super) async fn play(story: &Story) {
    let me = &story.hospital.patient;
    let portal = story.client(CLINIC, Role::Portal);
    requests(story, me).await;

    let first = me.grant(two_hours(), vec![everything_stated()]).expect("signed");
    let old = first.body.id;
    submit!(story, portal, consents.grant[Ok::<_, ()>(first.clone())]);
    refused!(story, portal, consents.grant[Ok::<_, ()>(first)]);
    let amended = me
        .amend(old, two_hours(), vec![everything_stated()])
        .expect("signed");
    let new = amended.body.id;
    submit!(story, portal, consents.amend[Ok::<_, ()>(amended)]);
    refused!(
        story,
        portal,
        consents.amend[me.amend(old, two_hours(), vec![everything_stated()])]
    );
    ask!(story, portal, consents.my_receipt[me.ask_receipt(new, CLINIC)]);
    submit!(story, portal, consents.revoke[me.revoke(vec![new])]);
    let clinic = ActorFilter {
        organisation: Some(CLINIC.to_owned()),
        group: Some(story.plant("oncology-Mirabel")),
        ..ActorFilter::default()
    };
    let shut = me.shut_out(clinic).expect("signed");
    let denial = shut.body.id;
    submit!(story, portal, consents.grant[Ok::<_, ()>(shut)]);
    submit!(
        story,
        portal,
        consents.revoke[me.take_back(Taken::Consents(vec![denial]), RevocationReason::Mistake)]
    );
    submit!(
        story,
        portal,
        consents.grant[me.grant(two_hours(), vec![treatment_at_the_clinic()])]
    );
    submit!(story, portal, consents.revoke[me.revoke_all()]);
    ask!(story, portal, consents.my_consents[me.ask("myConsents", CLINIC)]);
    authorities(story, me, &portal).await;
}

async fn requests(story: &Story, me: &PatientAt) {
    let (clinician, portal) = (
        story.client(CLINIC, Role::Clinician),
        story.client(HOSPITAL, Role::Portal),
    );
    let request = || ConsentRequest {
        id: RequestId::from_bytes(rand::random()),
        patient: me.id(),
        purposes: vec![Purpose::Treatment, Purpose::CareCoordination],
        categories: vec![Category::Laboratory, Category::Imaging],
        period: two_hours(),
        open_until: unix_now() + 3_600,
        note: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let (withdrawn, accepted, declined) = (request(), request(), request());
    for asked in [&withdrawn, &accepted, &declined] {
        submit!(story, clinician, consents.request_access(HOSPITAL, asked.clone()));
    }
    refused!(
        story,
        clinician,
        consents.request_access(HOSPITAL, declined.clone())
    );
    let withdrawal = RequestWithdrawal {
        request: withdrawn.id,
        patient: me.id(),
        salt: salt(),
    };
    submit!(
        story,
        clinician,
        consents.withdraw_request(HOSPITAL, withdrawal.clone())
    );
    refused!(story, clinician, consents.withdraw_request(HOSPITAL, withdrawal));
    submit!(
        story,
        portal,
        consents.respond[me.accept(accepted.id, two_hours(), vec![everything_stated()])]
    );
    submit!(story, portal, consents.respond[me.decline(declined.id)]);
    refused!(story, portal, consents.respond[me.decline(withdrawn.id)]);
    ask!(
        story,
        portal,
        consents.my_requests[me.ask("myRequests", HOSPITAL)]
    );
}

async fn authorities(story: &Story, me: &PatientAt, portal: &HealthClient) {
    let mut people = Vec::new();
    for _ in 0..2 {
        let person = Wallet::generate(careledger::health::consortium())
            .at(HOSPITAL)
            .expect("a wallet");
        story.plant(&person.id().to_string());
        let registrar = story.client(HOSPITAL, Role::Registrar);
        submit!(story, registrar, identity.enrol[person.enrol()]);
        refused!(story, registrar, identity.enrol[person.enrol()]);
        people.push(person);
    }
    let [sister, mother] = [&people[0], &people[1]];

    let delegation = me.delegate(
        sister.id(),
        [Power::Grant, Power::Revoke, Power::View].into(),
        two_hours(),
    );
    let delegation = delegation.expect("signed");
    let authority = delegation.body.id;
    submit!(story, portal, consents.delegate[Ok::<_, ()>(delegation)]);
    let she = sister.acting_for(me.id(), authority);
    submit!(
        story,
        portal,
        consents.grant[she.grant(two_hours(), vec![everything_stated()])]
    );
    ask!(
        story,
        portal,
        consents.my_authorities[she.ask("myAuthorities", CLINIC)]
    );
    submit!(story, portal, consents.undelegate[me.undelegate(authority)]);
    refused!(story, portal, consents.revoke[she.revoke_all()]);

    let guardianship = Guardianship {
        authority: AuthorityId::from_bytes(rand::random()),
        holder: mother.id(),
        relation: Relation::Parent,
        from: Date::from_unix(unix_now() - 86_400).expect("a date"),
        until: "2039-03-17".parse().expect("a date"),
    };
    official(story, me, Measure::Appoint(guardianship.clone())).await;
    let she = mother.acting_for(me.id(), guardianship.authority);
    let given = she.grant(two_hours(), vec![everything_stated()]).expect("signed");
    let consent = given.body.id;
    submit!(story, portal, consents.grant[Ok::<_, ()>(given)]);
    submit!(story, portal, consents.assent[me.assent(consent, false)]);
    refused!(story, portal, consents.assent[me.assent(consent, true)]);
    refused!(
        story,
        portal,
        consents.undelegate[me.undelegate(guardianship.authority)]
    );
    official(story, me, Measure::Dismiss(guardianship.authority)).await;
    official(story, me, Measure::Revoke(Taken::All)).await;
}

/// Two officers of two organisations; one alone is refused.
async fn official(story: &Story, me: &PatientAt, measure: Measure) {
    let act = OfficialAct {
        id: ActId::from_bytes(rand::random()),
        patient: me.id(),
        measure,
        basis: Hash::from_bytes(rand::random()),
        salt: salt(),
    };
    let (ours, theirs) = (
        story.client(HOSPITAL, Role::Dpo),
        story.client(REGULATOR, Role::Dpo),
    );
    submit!(story, ours, consents.propose_act(HOSPITAL, act.clone()));
    ask!(story, theirs, consents.open_acts(HOSPITAL));
    let confirmation = Confirmation {
        act: act.id,
        salt: salt(),
    };
    refused!(story, ours, consents.confirm_act(HOSPITAL, confirmation.clone()));
    submit!(story, theirs, consents.confirm_act(HOSPITAL, confirmation));
}

/// A permit with every dimension of a provision.
fn everything_stated() -> Provision {
    Provision {
        actors: vec![ActorFilter {
            organisation: Some(CLINIC.to_owned()),
            role: Some(Role::Clinician),
            person: Some(hex::encode([7; 32])),
            group: Some("hepatology-Zenobia".to_owned()),
        }],
        purposes: vec![Purpose::Treatment, Purpose::DiseaseResearch],
        categories: vec![Category::Laboratory, Category::EmergencySummary],
        labels: vec![
            "PSYTHPN".parse().expect("a label"),
            "HIV".parse().expect("a label"),
        ],
        codes: vec![CodeFilter {
            code: Code {
                system: LOINC.to_owned(),
                code: "72166-2".to_owned(),
            },
            is_a: false,
        }],
        data_period: Some(DateRange {
            from: "1937-02-11".parse().expect("a date"),
            until: "1938-09-23".parse().expect("a date"),
        }),
        encounters: vec![EncounterId::from_bytes(rand::random())],
        ..Provision::new(Effect::Permit)
    }
}
