//! What patients and institutions do about accesses, as the tests send it.

use crate::fixture::{CLINIC, Call, HOSPITAL, World};
use crate::wallet::{Act, Wallet};
use careledger_api::codes::{Category, Purpose};
use careledger_api::contracts::consent::{
    AccessRequest, CodeRegistration, CodeRemoval, ConsentsClient, Dispute, FullBreakGlassRequest, LogCursor,
    LogKind, LogPage, LogQuery,
};
use careledger_api::date::Period;
use careledger_api::ids::{FindCode, KemPublicKey, TxId};
use careledger_api::intent::SignedIntent;
use careledger_api::roles::Role;
use fabric_contract_mock::MockClient;

impl Wallet {
    pub fn own_access(&self, world: &World, categories: &[Category]) -> (AccessRequest, SignedIntent) {
        let request = AccessRequest {
            purpose: Purpose::PatientRequest,
            ..world.request(self.patient(), categories)
        };
        let act = self.act("consent", "accessOwn", self.nonce());
        let intent = self.sign(&act, "request", &request);
        (request, intent)
    }

    pub fn log_query(
        &self,
        world: &World,
        kinds: &[LogKind],
        after: Option<LogCursor>,
        limit: u16,
    ) -> (LogQuery, SignedIntent) {
        let query = LogQuery {
            patient: self.patient(),
            reader: CLINIC.into(),
            kinds: kinds.to_vec(),
            since: None,
            after,
            limit,
        };
        let act = Act {
            period: Period {
                from: world.now() - 60,
                until: world.now() + 300,
            },
            ..self.act("consent", "myLog", self.nonce())
        };
        let intent = self.sign(&act, "query", &query);
        (query, intent)
    }

    pub fn dispute(&self, subject: &TxId, reason: &str) -> (Dispute, SignedIntent) {
        let nonce = self.nonce();
        let dispute = Dispute {
            patient: self.patient(),
            subject: subject.clone(),
            reason: reason.into(),
            nonce,
            salt: self.salt(),
        };
        let intent = self.sign(&self.act("consent", "dispute", nonce), "dispute", &dispute);
        (dispute, intent)
    }

    pub fn registration(&self, code: &FindCode) -> (CodeRegistration, SignedIntent) {
        let code = code.hash(HOSPITAL);
        let registration = CodeRegistration {
            patient: self.patient(),
            code,
            salt: self.salt(),
        };
        let act = self.act("consent", "registerCode", FindCode::nonce_of(&code));
        let intent = self.sign(&act, "registration", &registration);
        (registration, intent)
    }

    pub fn code_removal(&self, code: &FindCode) -> (CodeRemoval, SignedIntent) {
        let removal = CodeRemoval {
            patient: self.patient(),
            code: code.hash(HOSPITAL),
            salt: self.salt(),
        };
        let intent = self.sign(
            &self.act("consent", "revokeCode", self.nonce()),
            "removal",
            &removal,
        );
        (removal, intent)
    }
}

impl World {
    /// The second step, by an emergency doctor of the clinic.
    pub async fn full(&self, first: &TxId) -> Call<TxId> {
        let doctor = self.client(CLINIC, Role::Emergency);
        self.full_by(&doctor, first).await
    }

    pub async fn full_by(&self, doctor: &MockClient, first: &TxId) -> Call<TxId> {
        let request = FullBreakGlassRequest {
            first: first.clone(),
            minutes: 30,
            attest: true,
            kem_key: KemPublicKey::from_bytes([9; 32]),
        };
        let sent = ConsentsClient::new(doctor)
            .break_glass_full(HOSPITAL, request)
            .endorsed_by([HOSPITAL]);
        Ok(sent.send().await?.value.tx)
    }

    /// The patient's own reading, carried by a portal of the clinic.
    pub async fn own(&self, request: AccessRequest, intent: SignedIntent) -> Call<TxId> {
        let portal = self.client(CLINIC, Role::Portal);
        let sent = ConsentsClient::new(&portal)
            .access_own(HOSPITAL, request, intent)
            .endorsed_by([HOSPITAL]);
        Ok(sent.send().await?.value.tx)
    }

    pub async fn log(&self, kinds: &[LogKind], after: Option<LogCursor>, limit: u16) -> Call<LogPage> {
        let (query, intent) = self.wallet.log_query(self, kinds, after, limit);
        let portal = self.client(CLINIC, Role::Portal);
        ConsentsClient::new(&portal)
            .my_log(HOSPITAL, query, intent)
            .endorsed_by([HOSPITAL])
            .send()
            .await
    }
}
