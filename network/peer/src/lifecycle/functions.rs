//! The functions of the system chaincode `_lifecycle` (`core/chaincode/lifecycle/{scc,lifecycle}.go` of Fabric).

use std::collections::BTreeMap;

use fabric_chaincode_host::{Package, PackageStore, StoreError, TransactionLedger, package_id};
use fabric_channel::Bundle;
use fabric_protos::lifecycle::{
    self as proto, ChaincodeEndorsementInfo, ChaincodeValidationInfo, chaincode_source,
};
use fabric_protos::peer::{ApplicationPolicy, CollectionConfigPackage, application_policy};
use prost::Message;

use super::collections::implicit_collection_name;
use super::definition::{self, Approval, ChaincodeDefinition, DEFINITION_TYPE, private_name};
use super::state::{self, CHAINCODE_SOURCES, NAMESPACES, OrgState, PublicState};
use super::{LifecycleError, References, input};

/// The policy of chaincode whose definition names none.
pub(crate) const DEFAULT_ENDORSEMENT_POLICY: &str = "/Channel/Application/Endorsement";

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

type Answer = Result<Vec<u8>, LifecycleError>;

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
        Ok(proto::InstallChaincodeResult { package_id: installed.package_id, label: installed.label }
            .encode_to_vec())
    }

    fn query_installed(&self, args: proto::QueryInstalledChaincodeArgs) -> Answer {
        use proto::query_installed_chaincode_result::{Chaincode, References};
        let installed = self.packages.list()?;
        let installed = installed
            .into_iter()
            .find(|package| package.package_id == args.package_id)
            .ok_or_else(|| LifecycleError::PackageNotFound(args.package_id))?;
        let references = self.references.of(&installed.package_id, |chaincodes| References {
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
        let installed_chaincodes = self.packages.list()?.into_iter().map(|package| InstalledChaincode {
            references: self.references.of(&package.package_id, |chaincodes| References {
                chaincodes: chaincodes
                    .into_iter()
                    .map(|(name, version)| Chaincode { name, version })
                    .collect(),
            }),
            package_id: package.package_id,
            label: package.label,
        });
        Ok(proto::QueryInstalledChaincodesResult { installed_chaincodes: installed_chaincodes.collect() }
            .encode_to_vec())
    }

    fn installed_package(&self, args: proto::GetInstalledChaincodePackageArgs) -> Answer {
        if !self.packages.contains(&args.package_id) {
            return Err(LifecycleError::PackageNotFound(args.package_id));
        }
        let package = self.packages.bytes(&args.package_id)?;
        Ok(proto::GetInstalledChaincodePackageResult { chaincode_install_package: package }.encode_to_vec())
    }

    fn approve(&self, args: proto::ApproveChaincodeDefinitionForMyOrgArgs) -> Answer {
        let channel = self.channel()?;
        self.check_input(channel, &args.name, &args.version, args.collections.as_ref())?;
        let package_id = match args.source.and_then(|source| source.r#type) {
            Some(chaincode_source::Type::LocalPackage(local)) => local.package_id,
            Some(chaincode_source::Type::Unavailable(_)) | None => String::new(),
        };
        let name = args.name;
        let mut definition = Parameters {
            sequence: args.sequence,
            version: args.version,
            endorsement_plugin: args.endorsement_plugin,
            validation_plugin: args.validation_plugin,
            validation_parameter: args.validation_parameter,
            collections: args.collections,
            init_required: args.init_required,
        }
        .into_definition();

        let public = PublicState(channel.ledger);
        let org = self.own_state(channel);
        let current = definition::sequence(&name, &public)?;
        let requested = definition.sequence;
        check_sequence(current, requested)?;
        set_defaults(&mut definition, channel)?;

        if requested == current {
            let committed =
                ChaincodeDefinition::read(&name, &public)?.ok_or(LifecycleError::NoMetadata(current))?;
            committed.compare_parameters(&definition).map_err(|why| LifecycleError::Redefinition {
                sequence: current,
                chaincode: name.clone(),
                why,
            })?;
        }
        let approval = Approval { definition, package_id };
        if is_approved_already(&name, &approval, &org)? {
            return Err(if requested == current {
                LifecycleError::UnchangedCommitted { sequence: current, chaincode: name }
            } else {
                LifecycleError::UnchangedUncommitted { sequence: requested, chaincode: name }
            });
        }
        let private_name = private_name(&name, requested);
        approval.definition.parameters_record().write(NAMESPACES, &private_name, &org)?;
        // An empty package id is written too: it withdraws the package of an earlier approval.
        approval.source_record().write(CHAINCODE_SOURCES, &private_name, &org)?;
        Ok(proto::ApproveChaincodeDefinitionForMyOrgResult {}.encode_to_vec())
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
        let approval = Approval::read(&args.name, sequence, &org)?.ok_or_else(|| {
            LifecycleError::NotApproved {
                chaincode: args.name,
                sequence,
                channel: channel.id.to_owned(),
            }
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
            let Some(approval) = Approval::read(name, sequence, &org)? else { continue };
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
        Ok(proto::QueryApprovedChaincodeDefinitionsResult { approved_chaincode_definitions: approved }
            .encode_to_vec())
    }

    fn check_commit_readiness(&self, args: proto::CheckCommitReadinessArgs) -> Answer {
        use proto::check_commit_readiness_result::Mismatches;
        let channel = self.channel()?;
        let mut definition = Parameters {
            sequence: args.sequence,
            version: args.version,
            endorsement_plugin: args.endorsement_plugin,
            validation_plugin: args.validation_plugin,
            validation_parameter: args.validation_parameter,
            collections: args.collections,
            init_required: args.init_required,
        }
        .into_definition();
        let by_org = prepare_commit(channel, &args.name, &mut definition)?;
        let approvals = approvals(&by_org);
        let mismatches = by_org
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(org, items)| (org, Mismatches { items }))
            .collect();
        Ok(proto::CheckCommitReadinessResult { approvals, mismatches }.encode_to_vec())
    }

    fn commit(&self, args: proto::CommitChaincodeDefinitionArgs) -> Answer {
        let channel = self.channel()?;
        self.check_input(channel, &args.name, &args.version, args.collections.as_ref())?;
        let name = args.name;
        let mut definition = Parameters {
            sequence: args.sequence,
            version: args.version,
            endorsement_plugin: args.endorsement_plugin,
            validation_plugin: args.validation_plugin,
            validation_parameter: args.validation_parameter,
            collections: args.collections,
            init_required: args.init_required,
        }
        .into_definition();
        let by_org = prepare_commit(channel, &name, &mut definition)?;
        definition.record().write(NAMESPACES, &name, &PublicState(channel.ledger))?;
        match by_org.get(self.msp_id) {
            Some(mismatches) if mismatches.is_empty() => {
                Ok(proto::CommitChaincodeDefinitionResult {}.encode_to_vec())
            }
            Some(_) => Err(LifecycleError::NotAgreed(self.msp_id.to_owned())),
            None => Err(LifecycleError::NotAMember(self.msp_id.to_owned())),
        }
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
            let Some(definition) = ChaincodeDefinition::read(&name, &public)? else { continue };
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
        Ok(proto::QueryChaincodeDefinitionsResult { chaincode_definitions: defined }.encode_to_vec())
    }

    fn channel(&self) -> Result<ChannelContext<'_>, LifecycleError> {
        self.channel.ok_or(LifecycleError::NoChannel)
    }

    fn own_state<'a>(&self, channel: ChannelContext<'a>) -> OrgState<'a> {
        OrgState { ledger: channel.ledger, collection: implicit_collection_name(self.msp_id) }
    }

    fn check_input(
        &self,
        channel: ChannelContext<'_>,
        name: &str,
        version: &str,
        collections: Option<&CollectionConfigPackage>,
    ) -> Result<(), LifecycleError> {
        let committed = ChaincodeDefinition::read(name, &PublicState(channel.ledger))?;
        input::check(name, version, collections, channel.bundle, committed.as_ref())
            .map_err(LifecycleError::InvalidDefinition)
    }
}

/// The fields that three of the argument messages share.
struct Parameters {
    sequence: i64,
    version: String,
    endorsement_plugin: String,
    validation_plugin: String,
    validation_parameter: Vec<u8>,
    collections: Option<CollectionConfigPackage>,
    init_required: bool,
}

impl Parameters {
    fn into_definition(self) -> ChaincodeDefinition {
        ChaincodeDefinition {
            sequence: self.sequence,
            endorsement: ChaincodeEndorsementInfo {
                version: self.version,
                init_required: self.init_required,
                endorsement_plugin: self.endorsement_plugin,
            },
            validation: ChaincodeValidationInfo {
                validation_plugin: self.validation_plugin,
                validation_parameter: self.validation_parameter,
            },
            collections: self.collections.unwrap_or_default(),
        }
    }
}

fn decode<M: Message + Default>(function: &str, args: &[u8]) -> Result<M, LifecycleError> {
    M::decode(args).map_err(|source| LifecycleError::Arguments { function: function.to_owned(), source })
}

fn check_sequence(current: i64, requested: i64) -> Result<(), LifecycleError> {
    if current == 0 && requested == 0 {
        return Err(LifecycleError::SequenceZero);
    }
    if requested < current {
        return Err(LifecycleError::SequencePassed { current, requested });
    }
    if requested > current + 1 {
        return Err(LifecycleError::SequenceAhead { next: current + 1, requested });
    }
    Ok(())
}

fn set_defaults(
    definition: &mut ChaincodeDefinition,
    channel: ChannelContext<'_>,
) -> Result<(), LifecycleError> {
    if definition.endorsement.endorsement_plugin.is_empty() {
        definition.endorsement.endorsement_plugin = "escc".to_owned();
    }
    if definition.validation.validation_plugin.is_empty() {
        definition.validation.validation_plugin = "vscc".to_owned();
    }
    if definition.validation.validation_parameter.is_empty() {
        if channel.bundle.policy(DEFAULT_ENDORSEMENT_POLICY).is_none() {
            return Err(LifecycleError::NoDefaultPolicy(channel.id.to_owned()));
        }
        let reference =
            application_policy::Type::ChannelConfigPolicyReference(DEFAULT_ENDORSEMENT_POLICY.to_owned());
        definition.validation.validation_parameter =
            ApplicationPolicy { r#type: Some(reference) }.encode_to_vec();
    }
    Ok(())
}

/// Whether the organisation approved exactly this before, so that approving it again would write nothing.
fn is_approved_already(
    chaincode: &str,
    approval: &Approval,
    org: &OrgState<'_>,
) -> Result<bool, LifecycleError> {
    let before = Approval::read(chaincode, approval.definition.sequence, org)?;
    Ok(before.as_ref() == Some(approval))
}

/// Checks that the definition is the next one, completes it, and says for each organisation how its
/// approval differs.
fn prepare_commit(
    channel: ChannelContext<'_>,
    chaincode: &str,
    definition: &mut ChaincodeDefinition,
) -> Result<BTreeMap<String, Vec<String>>, LifecycleError> {
    let current = definition::sequence(chaincode, &PublicState(channel.ledger))?;
    if definition.sequence != current + 1 {
        return Err(LifecycleError::NotNext { requested: definition.sequence, next: current + 1 });
    }
    set_defaults(definition, channel)?;
    mismatches_by_org(channel, chaincode, definition)
}

fn mismatches_by_org(
    channel: ChannelContext<'_>,
    chaincode: &str,
    definition: &ChaincodeDefinition,
) -> Result<BTreeMap<String, Vec<String>>, LifecycleError> {
    let record = definition.parameters_record();
    let name = private_name(chaincode, definition.sequence);
    let mut by_org = BTreeMap::new();
    for org in channel.bundle.application_orgs() {
        let state = OrgState { ledger: channel.ledger, collection: implicit_collection_name(&org.msp_id) };
        by_org.insert(org.msp_id.clone(), record.mismatches(NAMESPACES, &name, &state)?);
    }
    Ok(by_org)
}

fn approvals(mismatches: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, bool> {
    mismatches.iter().map(|(org, items)| (org.clone(), items.is_empty())).collect()
}

impl From<StoreError> for LifecycleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
