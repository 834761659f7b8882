//! What is measured: a network's members with their users, and what each client does there.

use std::sync::Arc;

use careledger_api::contracts::registry::RegistryClient;
use careledger_api::ids::PatientId;
use careledger_sdk::HealthClient;
use careledger_sdk::vault::VaultClient;
use careledger_vault::Server;
use fabric_gateway_sdk::{Endpoint, Gateway, SigningIdentity};
use futures::future::try_join_all;

use super::claims::Billing;
use super::patient::HealthCalls;
use super::worker::{Calls, Shared, Worker};
use crate::Result;

/// Clients that share one TLS connection. A server takes some hundred concurrent calls on one; fewer spread its work better.
pub(super) const CLIENTS_PER_CONNECTION: usize = 32;

/// A network as clients see it, embedded or not.
#[derive(Debug)]
pub struct Target {
    /// The channel.
    pub channel: String,
    /// The chaincode.
    pub chaincode: String,
    /// The organisations that clients are spread over; at least one.
    pub members: Vec<Member>,
    /// What clients do.
    pub operation: Operation,
    /// The vault that the operation asks; it listens as long as the target is there.
    pub vault: Option<Server>,
}

/// An organisation's gateway and the user that its clients are.
#[derive(Debug)]
pub struct Member {
    /// The MSP id.
    pub msp_id: String,
    /// The peer whose Gateway service is used.
    pub endpoint: Endpoint,
    /// The user.
    pub identity: SigningIdentity,
    /// Its clients are the load beside what is measured: they ask for access, and their transactions do not count.
    pub background: bool,
}

/// What each transaction does.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Submits `put(key, value)`.
    Put {
        /// The function.
        put: String,
    },
    /// Evaluates `get(key)` of keys that `put` wrote before.
    Get {
        /// The function that writes.
        put: String,
        /// The function that reads.
        get: String,
    },
    /// Evaluates `range(start, end)` over all of [`KEYS_TO_READ`](super::worker::KEYS_TO_READ) keys that `put` wrote before.
    Range {
        /// The function that writes.
        put: String,
        /// The function that reads.
        range: String,
    },
    /// Submits `update(key, value)`, which reads the key first.
    Update {
        /// The function.
        update: String,
        /// Keys that the clients choose from at random.
        keys: u64,
    },
    /// Submits `function(collection, key)` with the value as transient data.
    Private {
        /// The function.
        function: String,
        /// The collection.
        collection: String,
        /// The members (MSP ids), all of which endorse.
        members: Vec<String>,
        /// The name of the value's transient entry.
        transient: String,
    },
    /// Submits `consent.access` of the health chaincode.
    Access {
        /// Who keeps the records (MSP id).
        custodian: String,
        /// Whose records, in turn; at least one.
        patients: Arc<[PatientId]>,
    },
    /// Submits an access and reads the record's first verified bytes.
    Fetch {
        /// Who keeps the records (MSP id).
        custodian: String,
        /// Whose records, in turn; at least one.
        patients: Arc<[PatientId]>,
        /// The custodian's vault.
        vault: VaultClient,
    },
    /// Breaks the glass and reads the emergency summary's first verified bytes.
    Emergency {
        /// Who keeps the records (MSP id).
        custodian: String,
        /// Whose records, in turn; at least one.
        patients: Arc<[PatientId]>,
        /// The custodian's vault.
        vault: VaultClient,
    },
    /// Submits a claim, has it adjudicated and remitted.
    Claim(Billing),
}

impl Operation {
    fn is_health(&self) -> bool {
        matches!(
            self,
            Self::Access { .. } | Self::Fetch { .. } | Self::Emergency { .. } | Self::Claim(_)
        )
    }
}

impl Target {
    /// How many transactions met another one and were made anew beneath what is measured, where that happens.
    pub fn made_anew(&self) -> Option<u64> {
        match &self.operation {
            Operation::Claim(billing) => Some(billing.made_anew()),
            _ => None,
        }
    }

    /// Connects `clients` clients, spread evenly over the members.
    pub async fn connect(&self, clients: u32) -> Result<Vec<Worker>> {
        let share = usize::try_from(clients)?.div_ceil(self.members.len());
        let connections = share.div_ceil(CLIENTS_PER_CONNECTION);
        let gateways = try_join_all(self.members.iter().map(|member| member.connect(connections))).await?;
        let shared = Shared::new(self.operation.clone());
        let mut workers = Vec::new();
        for number in 0..clients {
            // Client n is with member n mod m, and there on the connections in turn.
            let turn = usize::try_from(number)?;
            let of = turn % self.members.len();
            let (member, gateway) = self
                .members
                .get(of)
                .zip(gateways.get(of))
                .and_then(|(member, connections)| {
                    Some((
                        member,
                        connections.get(turn / self.members.len() % connections.len())?,
                    ))
                })
                .ok_or("the network to measure has no organisation")?;
            let calls = self.calls(gateway, member).await?;
            workers.push(Worker::new(number, calls, member.background, shared.clone()));
        }
        Ok(workers)
    }

    async fn calls(&self, gateway: &Gateway, member: &Member) -> Result<Calls> {
        let contract = gateway
            .network(self.channel.clone())
            .contract(self.chaincode.clone());
        if !self.operation.is_health() {
            return Ok(Calls::Plain(contract));
        }
        let registered = RegistryClient::new(&contract).consortium().send().await?;
        Ok(Calls::Health(Box::new(HealthCalls {
            client: HealthClient::new(gateway, registered.consortium),
            identity: member.identity.clone(),
        })))
    }
}

impl Member {
    async fn connect(&self, connections: usize) -> Result<Vec<Gateway>> {
        let connect = (0..connections).map(async |_| -> Result<Gateway> {
            let channel = self
                .endpoint
                .connect()
                .await
                .map_err(|error| format!("{}: {error}", self.msp_id))?;
            Ok(Gateway::builder(channel)
                .identity(self.identity.clone())
                .connect())
        });
        try_join_all(connect).await
    }
}
