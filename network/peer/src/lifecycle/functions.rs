//! The functions of the system chaincode `_lifecycle` (`core/chaincode/lifecycle/{scc,lifecycle}.go` of Fabric).

use fabric_chaincode_host::{Package, PackageStore, StoreError, TransactionLedger, package_id};
use fabric_channel::Bundle;
use fabric_protos::lifecycle as proto;
use prost::Message;

use super::agree::{approvals, mismatches_by_org};
use super::collections::implicit_collection_name;
use super::definition::{self, Approval, ChaincodeDefinition, DEFINITION_TYPE, private_name};
use super::state::{self, NAMESPACES, OrgState, PublicState};
use super::{LifecycleError, References};

/// What a lifecycle function works on.
pub(crate) struct Invocation<'a> {
    pub(crate) msp_id: &'a str,
    pub(crate) packages: &'a PackageStore,
    /// Who uses the installed packages, on all channels of this peer.
    pub(crate) references: &'a References,
    /// The channel, for the functions that need one.
    pub(crate) channel: Option<ChannelContext<'a>>,
}

/// The channel of an invocation.
#[derive(Clone, Copy)]
pub(crate) struct ChannelContext<'a> {
    pub(crate) id: &'a str,
    pub(crate) bundle: &'a Bundle,
    pub(crate) ledger: &'a dyn TransactionLedger,
}

pub(super) type Answer = Result<Vec<u8>, LifecycleError>;

impl Invocation<'_> {
    /// Runs the function `name` with its marshalled argument message; the answer is the result message.
    pub(crate) fn dispatch(&self, name: &str, args: &[u8]) -> Answer {
        match name {
            "InstallChaincode" => self.install(decode(name, args)?),
            "QueryInstalledChaincode" => self.query_installed(decode(name, args)?),
            "QueryInstalledChaincodes" => self.query_all_installed(),
            "GetInstalledChaincodePackage" => self.installed_package(decode(name, args)?),
            "ApproveChaincodeDefinitionForMyOrg" => self.approve(decode(name, args)?),
            "QueryApprovedChaincodeDefinition" => self.query_approved(decode(name, args)?),
            "QueryApprovedChaincodeDefinitions" => self.query_all_approved(),
            "CheckCommitReadiness" => self.check_commit_readiness(decode(name, args)?),
            "CommitChaincodeDefinition" => self.commit(decode(name, args)?),
            "QueryChaincodeDefinition" => self.query_definition(decode(name, args)?),
            "QueryChaincodeDefinitions" => self.query_all_definitions(),
            _ => Err(LifecycleError::UnknownFunction(name.to_owned())),
        }
    }

    fn install(&self, args: proto::InstallChaincodeArgs) -> Answer {
        let package = args.chaincode_install_package;
        let label = Package::parse(&package).map_err(StoreError::Package)?.label;
        let id = package_id(&label, &package);
        if self.packages.contains(&id) {
            return Err(LifecycleError::AlreadyInstalled(id));
        }
        let installed = self.packages.install(&package)?;
        Ok(proto::InstallChaincodeResult {
            package_id: installed.package_id,
            label: installed.label,
        }
        .encode_to_vec())
    }

    fn query_installed(&self, args: proto::QueryInstalledChaincodeArgs) -> Answer {
        use proto::query_installed_chaincode_result::{Chaincode, References};
        let installed = self.packages.list()?;
        let installed = installed
            .into_iter()
            .find(|package| package.package_id == args.package_id)
            .ok_or_else(|| LifecycleError::NotInstalled(args.package_id))?;
        let references = self
            .references
            .of(&installed.package_id, |chaincodes| References {
                chaincodes: chaincodes
                    .into_iter()
                    .map(|(name, version)| Chaincode { name, version })
                    .collect(),
            });
        Ok(proto::QueryInstalledChaincodeResult {
            package_id: installed.package_id,
            label: installed.label,
            references,
        }
        .encode_to_vec())
    }

    fn query_all_installed(&self) -> Answer {
        use proto::query_installed_chaincodes_result::{Chaincode, InstalledChaincode, References};
        let installed_chaincodes = self
            .packages
            .list()?
            .into_iter()
            .map(|package| InstalledChaincode {
                references: self.references.of(&package.package_id, |chaincodes| References {
                    chaincodes: chaincodes
                        .into_iter()
                        .map(|(name, version)| Chaincode { name, version })
                        .collect(),
                }),
                package_id: package.package_id,
                label: package.label,
            });
        Ok(proto::QueryInstalledChaincodesResult {
            installed_chaincodes: installed_chaincodes.collect(),
        }
        .encode_to_vec())
    }

    fn installed_package(&self, args: proto::GetInstalledChaincodePackageArgs) -> Answer {
        if !self.packages.contains(&args.package_id) {
            return Err(LifecycleError::PackageNotFound(args.package_id));
        }
        let package = self.packages.bytes(&args.package_id)?;
        Ok(proto::GetInstalledChaincodePackageResult {
            chaincode_install_package: package,
        }
        .encode_to_vec())
    }

    fn query_approved(&self, args: proto::QueryApprovedChaincodeDefinitionArgs) -> Answer {
        let channel = self.channel()?;
        let org = self.own_state(channel);
        let mut sequence = args.sequence;
        if sequence == 0 {
            sequence = definition::sequence(&args.name, &PublicState(channel.ledger))?;
            let next = private_name(&args.name, sequence + 1);
            if state::metadata(NAMESPACES, &next, &org)?.is_some() {
                sequence += 1;
            }
        }
        let approval =
            Approval::read(&args.name, sequence, &org)?.ok_or_else(|| LifecycleError::NotApproved {
                chaincode: args.name,
                sequence,
                channel: channel.id.to_owned(),
            })?;
        let source = Some(approval.source());
        let definition = approval.definition;
        Ok(proto::QueryApprovedChaincodeDefinitionResult {
            sequence,
            version: definition.endorsement.version,
            endorsement_plugin: definition.endorsement.endorsement_plugin,
            validation_plugin: definition.validation.validation_plugin,
            validation_parameter: definition.validation.validation_parameter,
            collections: Some(definition.collections),
            init_required: definition.endorsement.init_required,
            source,
        }
        .encode_to_vec())
    }

    fn query_all_approved(&self) -> Answer {
        use proto::query_approved_chaincode_definitions_result::ApprovedChaincodeDefinition;
        let org = self.own_state(self.channel()?);
        let mut approved = Vec::new();
        for private_name in state::all_metadata(NAMESPACES, &org)?.into_keys() {
            let (name, sequence) = definition::split_private_name(&private_name)?;
            let Some(approval) = Approval::read(name, sequence, &org)? else {
                continue;
            };
            let source = Some(approval.source());
            let definition = approval.definition;
            approved.push(ApprovedChaincodeDefinition {
                name: name.to_owned(),
                sequence,
                version: definition.endorsement.version,
                endorsement_plugin: definition.endorsement.endorsement_plugin,
                validation_plugin: definition.validation.validation_plugin,
                validation_parameter: definition.validation.validation_parameter,
                collections: Some(definition.collections),
                init_required: definition.endorsement.init_required,
                source,
            });
        }
        Ok(proto::QueryApprovedChaincodeDefinitionsResult {
            approved_chaincode_definitions: approved,
        }
        .encode_to_vec())
    }

    fn query_definition(&self, args: proto::QueryChaincodeDefinitionArgs) -> Answer {
        let channel = self.channel()?;
        let definition = ChaincodeDefinition::read(&args.name, &PublicState(channel.ledger))?
            .ok_or_else(|| LifecycleError::NotDefined(args.name.clone()))?;
        let approvals = approvals(&mismatches_by_org(channel, &args.name, &definition)?);
        Ok(proto::QueryChaincodeDefinitionResult {
            sequence: definition.sequence,
            version: definition.endorsement.version,
            endorsement_plugin: definition.endorsement.endorsement_plugin,
            validation_plugin: definition.validation.validation_plugin,
            validation_parameter: definition.validation.validation_parameter,
            collections: Some(definition.collections),
            init_required: definition.endorsement.init_required,
            approvals,
        }
        .encode_to_vec())
    }

    fn query_all_definitions(&self) -> Answer {
        use proto::query_chaincode_definitions_result::ChaincodeDefinition as Defined;
        let public = PublicState(self.channel()?.ledger);
        let mut defined = Vec::new();
        for (name, metadata) in state::all_metadata(NAMESPACES, &public)? {
            if metadata.datatype != DEFINITION_TYPE {
                continue;
            }
            let Some(definition) = ChaincodeDefinition::read(&name, &public)? else {
                continue;
            };
            defined.push(Defined {
                name,
                sequence: definition.sequence,
                version: definition.endorsement.version,
                endorsement_plugin: definition.endorsement.endorsement_plugin,
                validation_plugin: definition.validation.validation_plugin,
                validation_parameter: definition.validation.validation_parameter,
                collections: Some(definition.collections),
                init_required: definition.endorsement.init_required,
            });
        }
        Ok(proto::QueryChaincodeDefinitionsResult {
            chaincode_definitions: defined,
        }
        .encode_to_vec())
    }

    pub(super) fn channel(&self) -> Result<ChannelContext<'_>, LifecycleError> {
        self.channel.ok_or(LifecycleError::NoChannel)
    }

    pub(super) fn own_state<'a>(&self, channel: ChannelContext<'a>) -> OrgState<'a> {
        OrgState {
            ledger: channel.ledger,
            collection: implicit_collection_name(self.msp_id),
        }
    }
}

fn decode<M: Message + Default>(function: &str, args: &[u8]) -> Result<M, LifecycleError> {
    M::decode(args).map_err(|source| LifecycleError::Arguments {
        function: function.to_owned(),
        source,
    })
}

impl From<StoreError> for LifecycleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
