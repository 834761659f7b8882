//! The profile file: any Fabric network to be measured, as TOML, or the same as JSON (`.json`).
//!
//! ```toml
//! channel = "mychannel"
//! chaincode = "keyvalue"                # deployed already
//!
//! [[organisations]]                     # clients are spread over these, one gateway each
//! msp_id = "Org1MSP"
//! endpoint = "localhost:7051"           # host:port of the peer whose Gateway service is used; always TLS
//! tls_ca = "org1/peers/peer0.org1.example.com/tls/ca.crt"
//! server_name = "peer0.org1.example.com"          # optional: the name in the peer's certificate, if it is not the host
//! user = "org1/users/User1@org1.example.com/msp"  # an MSP directory (signcerts, keystore),
//! # certificate = "user.pem"                      # or a certificate
//! # key = "user.key"                              # and its key
//! # tls_certificate = "client.crt"                # optional, both or none: shown to a peer that wants mutual TLS
//! # tls_key = "client.key"
//!
//! [[orderers]]                          # optional: for `careledger audit --connect`
//! endpoint = "localhost:7050"
//! tls_ca = "orderer/tls/ca.crt"
//! server_name = "orderer.example.com"   # optional
//!
//! [functions]                           # optional; these are the defaults
//! put = "put"                           # put(key, value): --mode put, and to prepare --mode get and range
//! get = "get"                           # get(key): --mode get
//! range = "range"                       # range(start, end): --mode range, over keys that put wrote
//! update = "update"                     # update(key, value), which reads the key first: --mode update
//! private = "putPrivate"                # putPrivate(collection, key), the value as transient data: --mode private
//!
//! [private]                             # for --mode private
//! collection = "pair"
//! members = ["Org1MSP", "Org2MSP"]      # who endorses, and whose clients call
//! transient = "value"                   # optional: the name of the value's transient entry
//!
//! [access]                              # for --mode access: the chaincode is careledger's, the users have the role of a clinician
//! custodian = "HospitalMSP"
//! patient = "00112233445566778899aabbccddeeff…"  # optional; without it a patient whom nobody knows
//! ```
//!
//! Paths are relative to the file. A name that is not in this list is refused.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use careledger_api::ids::PatientId;
use fabric_gateway_sdk::{Endpoint, SigningIdentity};
use serde::Deserialize;

use super::target::{Member, Operation, Target};
use crate::Result;
use crate::args::BenchMode;

/// A profile file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    channel: String,
    chaincode: String,
    organisations: Vec<Organisation>,
    #[serde(default)]
    orderers: Vec<Orderer>,
    #[serde(default)]
    functions: Functions,
    private: Option<Private>,
    access: Option<Access>,
    /// Where the file is, for relative paths.
    #[serde(skip)]
    dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Organisation {
    msp_id: String,
    endpoint: String,
    tls_ca: PathBuf,
    server_name: Option<String>,
    user: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Orderer {
    endpoint: String,
    tls_ca: PathBuf,
    server_name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Functions {
    put: String,
    get: String,
    range: String,
    update: String,
    private: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Private {
    collection: String,
    members: Vec<String>,
    #[serde(default = "default_transient")]
    transient: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    custodian: String,
    patient: Option<PatientId>,
}

impl Default for Functions {
    fn default() -> Self {
        Self {
            put: "put".to_owned(),
            get: "get".to_owned(),
            range: "range".to_owned(),
            update: "update".to_owned(),
            private: "putPrivate".to_owned(),
        }
    }
}

fn default_transient() -> String {
    "value".to_owned()
}

impl Profile {
    /// Reads and checks a profile. The files that it names are read by [`Profile::target`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the profile {}: {error}", path.display()))?;
        let json = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let dir = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, json, dir)
            .map_err(|reason| format!("{} is not a profile: {reason}", path.display()).into())
    }

    /// Organisations whose gateways are used.
    pub fn organisations(&self) -> usize {
        self.organisations.len()
    }

    /// The channel's name.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The organisations' peers and users, with keys and certificates.
    pub fn members(&self) -> Result<Vec<Member>> {
        let members = self.organisations.iter();
        members
            .map(|organisation| organisation.member(&self.dir))
            .collect()
    }

    /// The ordering nodes: names and connections.
    pub fn orderers(&self) -> Result<Vec<(String, Endpoint)>> {
        let connect = |orderer: &Orderer| -> Result<(String, Endpoint)> {
            let mut endpoint = Endpoint::tls_ca_file(&orderer.endpoint, self.dir.join(&orderer.tls_ca))?;
            if let Some(name) = &orderer.server_name {
                endpoint = endpoint.server_name(name.clone());
            }
            let name = orderer.server_name.as_ref().unwrap_or(&orderer.endpoint);
            Ok((name.clone(), endpoint))
        };
        self.orderers.iter().map(connect).collect()
    }

    /// What `mode` needs of the network (`keys` for updates), with keys and certificates.
    pub fn target(&self, mode: BenchMode, keys: u64) -> Result<Target> {
        let operation = self.operation(mode, keys)?;
        let called = |organisation: &&Organisation| match &operation {
            Operation::Private { members, .. } => members.contains(&organisation.msp_id),
            _ => true,
        };
        let members: Vec<Member> = self
            .organisations
            .iter()
            .filter(called)
            .map(|organisation| organisation.member(&self.dir))
            .collect::<Result<_>>()?;
        if members.is_empty() {
            return Err("no organisation of the profile is among private.members; --mode private needs a member's user".into());
        }
        Ok(Target {
            channel: self.channel.clone(),
            chaincode: self.chaincode.clone(),
            members,
            operation,
            vault: None,
        })
    }

    fn operation(&self, mode: BenchMode, keys: u64) -> Result<Operation> {
        let Functions {
            put,
            get,
            range,
            update,
            private,
        } = self.functions.clone();
        match mode {
            BenchMode::Put => Ok(Operation::Put { put }),
            BenchMode::Get => Ok(Operation::Get { put, get }),
            BenchMode::Range => Ok(Operation::Range { put, range }),
            BenchMode::Update => Ok(Operation::Update { update, keys }),
            BenchMode::Private => {
                let Private {
                    collection,
                    members,
                    transient,
                } = self
                    .private
                    .as_ref()
                    .ok_or("--mode private needs the section [private] in the profile")?;
                Ok(Operation::Private {
                    function: private,
                    collection: collection.clone(),
                    members: members.clone(),
                    transient: transient.clone(),
                })
            }
            BenchMode::Access => {
                let Access { custodian, patient } = self
                    .access
                    .as_ref()
                    .ok_or("--mode access needs the section [access] in the profile")?;
                let patient = patient.unwrap_or_else(|| PatientId::from_bytes(rand::random()));
                Ok(Operation::Access {
                    custodian: custodian.clone(),
                    patients: [patient].into(),
                })
            }
            BenchMode::Fetch | BenchMode::Emergency => {
                Err("--mode fetch and --mode emergency measure an embedded network with its vault; leave out --profile".into())
            }
            BenchMode::Claim | BenchMode::Adjudicate => {
                Err("--mode claim measures an embedded network, or with --dir a running one, --mode adjudicate none; leave out --profile".into())
            }
        }
    }

    fn parse(text: &str, json: bool, dir: &Path) -> std::result::Result<Self, String> {
        let parsed: std::result::Result<Self, String> = if json {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            toml::from_str(text).map_err(|error| error.to_string())
        };
        let profile = Self {
            dir: dir.to_owned(),
            ..parsed?
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> std::result::Result<(), String> {
        for (name, value) in [
            ("channel", &self.channel),
            ("chaincode", &self.chaincode),
            ("functions.put", &self.functions.put),
            ("functions.get", &self.functions.get),
            ("functions.range", &self.functions.range),
            ("functions.update", &self.functions.update),
            ("functions.private", &self.functions.private),
        ] {
            if value.is_empty() {
                return Err(format!("{name} is empty; name it"));
            }
        }
        if self.organisations.is_empty() {
            return Err("it has no [[organisations]]; name at least one".to_owned());
        }
        let mut seen = BTreeSet::new();
        for organisation in &self.organisations {
            if !seen.insert(&organisation.msp_id) {
                return Err(format!(
                    "organisation {} is there twice; name each once",
                    organisation.msp_id
                ));
            }
            organisation
                .check()
                .map_err(|reason| format!("organisation {}: {reason}", organisation.msp_id))?;
        }
        if let Some(private) = &self.private
            && (private.collection.is_empty() || private.members.is_empty() || private.transient.is_empty())
        {
            return Err(
                "[private] needs a collection, its members, and a name for the transient value".to_owned(),
            );
        }
        Ok(())
    }
}

impl Organisation {
    fn check(&self) -> std::result::Result<(), String> {
        let port = self.endpoint.rsplit_once(':').and_then(|(host, port)| {
            let plain = !host.is_empty() && !host.contains("://");
            plain.then(|| port.parse::<u16>().ok()).flatten()
        });
        if port.is_none_or(|port| port == 0) {
            return Err(format!(
                "endpoint is {:?}; write host:port without a scheme",
                self.endpoint
            ));
        }
        match (&self.user, &self.certificate, &self.key) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => return Err("write either user (an MSP directory), or certificate and key".to_owned()),
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err("mutual TLS needs both tls_certificate and tls_key".to_owned());
        }
        Ok(())
    }

    fn member(&self, dir: &Path) -> Result<Member> {
        let read = |path: &PathBuf| -> Result<Vec<u8>> {
            let path = dir.join(path);
            std::fs::read(&path).map_err(|error| {
                format!(
                    "organisation {}: cannot read {}: {error}",
                    self.msp_id,
                    path.display()
                )
                .into()
            })
        };
        let mut endpoint = Endpoint::tls(self.endpoint.clone(), read(&self.tls_ca)?);
        if let Some(name) = &self.server_name {
            endpoint = endpoint.server_name(name.clone());
        }
        if let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) {
            endpoint = endpoint.client_certificate(read(certificate)?, read(key)?);
        }
        let identity = match (&self.user, &self.certificate, &self.key) {
            (Some(user), ..) => SigningIdentity::from_msp_dir(dir.join(user), &self.msp_id),
            (None, Some(certificate), Some(key)) => {
                SigningIdentity::from_pem(&self.msp_id, &read(certificate)?, &read(key)?)
            }
            _ => return Err(format!("organisation {} has no user", self.msp_id).into()),
        };
        let identity =
            identity.map_err(|error| format!("organisation {}: no usable user: {error}", self.msp_id))?;
        Ok(Member {
            msp_id: self.msp_id.clone(),
            endpoint,
            identity,
            background: false,
        })
    }
}
