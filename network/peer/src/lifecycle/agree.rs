//! How organisations agree on a definition: approve, check who approved, commit.

use std::collections::BTreeMap;

use fabric_protos::lifecycle::{
    self as proto, ChaincodeEndorsementInfo, ChaincodeValidationInfo, chaincode_source,
};
use fabric_protos::peer::{ApplicationPolicy, CollectionConfigPackage, application_policy};
use prost::Message;

use super::collections::implicit_collection_name;
use super::definition::{self, Approval, ChaincodeDefinition, private_name};
use super::functions::{Answer, ChannelContext, Invocation};
use super::state::{CHAINCODE_SOURCES, NAMESPACES, OrgState, PublicState};
use super::{FORMER_LIFECYCLE, LifecycleError, input};

/// The policy of chaincode whose definition names none.
const DEFAULT_ENDORSEMENT_POLICY: &str = "/Channel/Application/Endorsement";

impl Invocation<'_> {
    pub(super) fn approve(&self, args: proto::ApproveChaincodeDefinitionForMyOrgArgs) -> Answer {
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
            committed
                .compare_parameters(&definition)
                .map_err(|why| LifecycleError::Redefinition {
                    sequence: current,
                    chaincode: name.clone(),
                    why,
                })?;
        }
        let approval = Approval {
            definition,
            package_id,
        };
        if is_approved_already(&name, &approval, &org)? {
            return Err(if requested == current {
                LifecycleError::UnchangedCommitted {
                    sequence: current,
                    chaincode: name,
                }
            } else {
                LifecycleError::UnchangedUncommitted {
                    sequence: requested,
                    chaincode: name,
                }
            });
        }
        let private_name = private_name(&name, requested);
        approval
            .definition
            .parameters_record()
            .write(NAMESPACES, &private_name, &org)?;
        // An empty package id is written too: it withdraws the package of an earlier approval.
        approval
            .source_record()
            .write(CHAINCODE_SOURCES, &private_name, &org)?;
        Ok(proto::ApproveChaincodeDefinitionForMyOrgResult {}.encode_to_vec())
    }

    pub(super) fn check_commit_readiness(&self, args: proto::CheckCommitReadinessArgs) -> Answer {
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
        Ok(proto::CheckCommitReadinessResult {
            approvals,
            mismatches,
        }
        .encode_to_vec())
    }

    pub(super) fn commit(&self, args: proto::CommitChaincodeDefinitionArgs) -> Answer {
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
        definition
            .record()
            .write(NAMESPACES, &name, &PublicState(channel.ledger))?;
        match by_org.get(self.msp_id) {
            Some(mismatches) if mismatches.is_empty() => {
                Ok(proto::CommitChaincodeDefinitionResult {}.encode_to_vec())
            }
            Some(_) => Err(LifecycleError::NotAgreed(self.msp_id.to_owned())),
            None => Err(LifecycleError::NotAMember(self.msp_id.to_owned())),
        }
    }

    fn check_input(
        &self,
        channel: ChannelContext<'_>,
        name: &str,
        version: &str,
        collections: Option<&CollectionConfigPackage>,
    ) -> Result<(), LifecycleError> {
        let committed = ChaincodeDefinition::read(name, &PublicState(channel.ledger))?;
        if committed.is_none() {
            channel.ledger.state(FORMER_LIFECYCLE, name)?;
        }
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

fn check_sequence(current: i64, requested: i64) -> Result<(), LifecycleError> {
    if current == 0 && requested == 0 {
        return Err(LifecycleError::SequenceZero);
    }
    if requested < current {
        return Err(LifecycleError::SequencePassed { current, requested });
    }
    if requested > current + 1 {
        return Err(LifecycleError::SequenceAhead {
            next: current + 1,
            requested,
        });
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
        definition.validation.validation_parameter = ApplicationPolicy {
            r#type: Some(reference),
        }
        .encode_to_vec();
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
        return Err(LifecycleError::NotNext {
            requested: definition.sequence,
            next: current + 1,
        });
    }
    set_defaults(definition, channel)?;
    mismatches_by_org(channel, chaincode, definition)
}

pub(super) fn mismatches_by_org(
    channel: ChannelContext<'_>,
    chaincode: &str,
    definition: &ChaincodeDefinition,
) -> Result<BTreeMap<String, Vec<String>>, LifecycleError> {
    let record = definition.parameters_record();
    let name = private_name(chaincode, definition.sequence);
    let mut by_org = BTreeMap::new();
    for org in channel.bundle.application_orgs() {
        let state = OrgState {
            ledger: channel.ledger,
            collection: implicit_collection_name(&org.msp_id),
        };
        by_org.insert(org.msp_id.clone(), record.mismatches(NAMESPACES, &name, &state)?);
    }
    Ok(by_org)
}

pub(super) fn approvals(mismatches: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, bool> {
    mismatches
        .iter()
        .map(|(org, items)| (org.clone(), items.is_empty()))
        .collect()
}
