//! What the organisations agree on about a chaincode: its definition and its private data collections.

use fabric_msp::policy;
use fabric_protos::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CheckCommitReadinessArgs,
    CommitChaincodeDefinitionArgs, QueryChaincodeDefinitionResult, chaincode_source,
};
use fabric_protos::peer::{
    self, ApplicationPolicy, CollectionConfigPackage, CollectionPolicyConfig, StaticCollectionConfig,
    application_policy, collection_config, collection_policy_config,
};
use prost::Message;

use super::AdminError;

/// The policy that a definition names if it does not name another.
const DEFAULT_ENDORSEMENT: &str = "/Channel/Application/Endorsement";

/// A chaincode as a channel's organisations approve and commit it.
#[derive(Clone, Debug)]
pub struct ChaincodeDefinition {
    pub(crate) name: String,
    version: String,
    pub(crate) sequence: i64,
    policy: ApplicationPolicy,
    collections: Vec<peer::CollectionConfig>,
    init_required: bool,
}

impl ChaincodeDefinition {
    /// A first definition (sequence 1) under the channel's own endorsement policy, without collections.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            sequence: 1,
            policy: reference(DEFAULT_ENDORSEMENT),
            collections: Vec::new(),
            init_required: false,
        }
    }

    /// The number of this definition: one more than the committed one.
    #[must_use]
    pub const fn sequence(mut self, sequence: i64) -> Self {
        self.sequence = sequence;
        self
    }

    /// Who must endorse, such as `OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')`.
    ///
    /// # Errors
    /// [`AdminError::Policy`] if the text is no policy.
    pub fn endorsement_policy(mut self, text: &str) -> Result<Self, AdminError> {
        self.policy = signature(text)?;
        Ok(self)
    }

    /// Who must endorse, by the path of a policy in the channel's configuration.
    #[must_use]
    pub fn endorsement_policy_reference(mut self, path: &str) -> Self {
        self.policy = reference(path);
        self
    }

    /// Adds a collection.
    ///
    /// # Errors
    /// [`AdminError::Policy`] if the collection has no members or a policy text is none.
    pub fn collection(mut self, collection: &CollectionConfig) -> Result<Self, AdminError> {
        self.collections.push(collection.to_message()?);
        Ok(self)
    }

    /// Adds collections.
    ///
    /// # Errors
    /// As [`ChaincodeDefinition::collection`].
    pub fn collections<'c>(
        self,
        collections: impl IntoIterator<Item = &'c CollectionConfig>,
    ) -> Result<Self, AdminError> {
        collections.into_iter().try_fold(self, Self::collection)
    }

    /// Demands a call marked as initialisation before all others.
    #[must_use]
    pub const fn init_required(mut self) -> Self {
        self.init_required = true;
        self
    }

    /// The chaincode's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it says what is committed, sequence aside.
    pub(crate) fn is(&self, committed: &QueryChaincodeDefinitionResult) -> bool {
        let own = self.commit();
        own.version == committed.version
            && own.endorsement_plugin == committed.endorsement_plugin
            && own.validation_plugin == committed.validation_plugin
            && own.validation_parameter == committed.validation_parameter
            && own.collections.unwrap_or_default() == committed.collections.clone().unwrap_or_default()
            && own.init_required == committed.init_required
    }

    pub(crate) fn approval(&self, package_id: Option<&str>) -> ApproveChaincodeDefinitionForMyOrgArgs {
        let source = match package_id {
            Some(id) => chaincode_source::Type::LocalPackage(chaincode_source::Local {
                package_id: id.to_owned(),
            }),
            None => chaincode_source::Type::Unavailable(chaincode_source::Unavailable {}),
        };
        let CommitChaincodeDefinitionArgs {
            sequence,
            name,
            version,
            endorsement_plugin,
            validation_plugin,
            validation_parameter,
            collections,
            init_required,
        } = self.commit();
        ApproveChaincodeDefinitionForMyOrgArgs {
            sequence,
            name,
            version,
            endorsement_plugin,
            validation_plugin,
            validation_parameter,
            collections,
            init_required,
            source: Some(ChaincodeSource { r#type: Some(source) }),
        }
    }

    pub(crate) fn readiness(&self) -> CheckCommitReadinessArgs {
        let CommitChaincodeDefinitionArgs {
            sequence,
            name,
            version,
            endorsement_plugin,
            validation_plugin,
            validation_parameter,
            collections,
            init_required,
        } = self.commit();
        CheckCommitReadinessArgs {
            sequence,
            name,
            version,
            endorsement_plugin,
            validation_plugin,
            validation_parameter,
            collections,
            init_required,
        }
    }

    pub(crate) fn commit(&self) -> CommitChaincodeDefinitionArgs {
        let collections = (!self.collections.is_empty()).then(|| CollectionConfigPackage {
            config: self.collections.clone(),
        });
        CommitChaincodeDefinitionArgs {
            sequence: self.sequence,
            name: self.name.clone(),
            version: self.version.clone(),
            endorsement_plugin: "escc".to_owned(),
            validation_plugin: "vscc".to_owned(),
            validation_parameter: self.policy.encode_to_vec(),
            collections,
            init_required: self.init_required,
        }
    }
}

/// A private data collection: values that only its members' peers hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionConfig {
    name: String,
    members: Vec<String>,
    endorsement_policy: Option<String>,
    required_peer_count: i32,
    max_peer_count: i32,
    block_to_live: u64,
    member_only_read: bool,
    member_only_write: bool,
}

impl CollectionConfig {
    /// A collection of the given organisations (MSP ids). Until changed: only members' clients read and write it, no
    /// other peer must hold a value before it is endorsed (though up to all other members' are sent it), values stay
    /// for ever, and the chaincode's endorsement policy holds.
    #[must_use]
    pub fn new<S: Into<String>>(name: impl Into<String>, members: impl IntoIterator<Item = S>) -> Self {
        let members: Vec<String> = members.into_iter().map(Into::into).collect();
        let others = i32::try_from(members.len().saturating_sub(1)).unwrap_or(i32::MAX);
        Self {
            name: name.into(),
            members,
            endorsement_policy: None,
            required_peer_count: 0,
            max_peer_count: others,
            block_to_live: 0,
            member_only_read: true,
            member_only_write: true,
        }
    }

    /// Who must endorse writes to it, in place of the chaincode's policy. The form is that of
    /// [`ChaincodeDefinition::endorsement_policy`].
    #[must_use]
    pub fn endorsement_policy(mut self, text: impl Into<String>) -> Self {
        self.endorsement_policy = Some(text.into());
        self
    }

    /// How many other peers must hold a value before its endorsement succeeds.
    #[must_use]
    pub const fn required_peer_count(mut self, count: i32) -> Self {
        self.required_peer_count = count;
        self
    }

    /// How many other peers are sent a value at its endorsement; the rest fetch it later.
    #[must_use]
    pub const fn max_peer_count(mut self, count: i32) -> Self {
        self.max_peer_count = count;
        self
    }

    /// How many blocks a value stays; 0 keeps it for ever.
    #[must_use]
    pub const fn block_to_live(mut self, blocks: u64) -> Self {
        self.block_to_live = blocks;
        self
    }

    /// Whether only clients of member organisations may read it through the chaincode.
    #[must_use]
    pub const fn member_only_read(mut self, only: bool) -> Self {
        self.member_only_read = only;
        self
    }

    /// Whether only clients of member organisations may write it through the chaincode.
    #[must_use]
    pub const fn member_only_write(mut self, only: bool) -> Self {
        self.member_only_write = only;
        self
    }

    /// The collection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member organisations' MSP ids.
    #[must_use]
    pub fn members(&self) -> &[String] {
        &self.members
    }

    fn to_message(&self) -> Result<peer::CollectionConfig, AdminError> {
        if self.members.is_empty() {
            return Err(AdminError::Policy(format!(
                "the collection {} has no members",
                self.name
            )));
        }
        let members: Vec<String> = self
            .members
            .iter()
            .map(|member| format!("'{member}.member'"))
            .collect();
        let members = parse(&format!("OR({})", members.join(", ")))?;
        let endorsement_policy = self.endorsement_policy.as_deref().map(signature).transpose()?;
        let collection = StaticCollectionConfig {
            name: self.name.clone(),
            member_orgs_policy: Some(CollectionPolicyConfig {
                payload: Some(collection_policy_config::Payload::SignaturePolicy(members)),
            }),
            required_peer_count: self.required_peer_count,
            maximum_peer_count: self.max_peer_count,
            block_to_live: self.block_to_live,
            member_only_read: self.member_only_read,
            member_only_write: self.member_only_write,
            endorsement_policy,
        };
        Ok(peer::CollectionConfig {
            payload: Some(collection_config::Payload::StaticCollectionConfig(collection)),
        })
    }
}

fn reference(path: &str) -> ApplicationPolicy {
    ApplicationPolicy {
        r#type: Some(application_policy::Type::ChannelConfigPolicyReference(
            path.to_owned(),
        )),
    }
}

fn signature(text: &str) -> Result<ApplicationPolicy, AdminError> {
    Ok(ApplicationPolicy {
        r#type: Some(application_policy::Type::SignaturePolicy(parse(text)?)),
    })
}

fn parse(text: &str) -> Result<fabric_protos::common::SignaturePolicyEnvelope, AdminError> {
    policy::parse(text).map_err(|error| AdminError::Policy(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approval_readiness_and_commit_say_the_same() {
        let definition = ChaincodeDefinition::new("health", "1.0")
            .endorsement_policy("OutOf(2, 'AMSP.peer', 'BMSP.peer', 'CMSP.peer')")
            .and_then(|definition| definition.collection(&CollectionConfig::new("pair", ["AMSP", "BMSP"])))
            .expect("a definition");
        let approval = definition.approval(Some("health:00"));
        let commit = definition.commit();
        let readiness = definition.readiness();
        assert_eq!(approval.validation_parameter, commit.validation_parameter);
        assert_eq!(approval.collections, commit.collections);
        assert_eq!(readiness.validation_parameter, commit.validation_parameter);
        assert_eq!(readiness.collections, commit.collections);
        assert_eq!((approval.sequence, approval.version.as_str()), (1, "1.0"));
    }

    #[test]
    fn a_collection_says_who_its_members_are() {
        let collection = CollectionConfig::new("pair", ["AMSP", "BMSP"])
            .required_peer_count(1)
            .block_to_live(9)
            .endorsement_policy("OR('AMSP.peer', 'BMSP.peer')");
        let message = collection.to_message().expect("a message");
        let Some(collection_config::Payload::StaticCollectionConfig(config)) = message.payload else {
            panic!("not a static collection");
        };
        assert_eq!(config.name, "pair");
        assert_eq!((config.required_peer_count, config.maximum_peer_count), (1, 1));
        assert_eq!(config.block_to_live, 9);
        assert!(config.member_only_read && config.member_only_write);
        assert!(config.endorsement_policy.is_some());
        let Some(collection_policy_config::Payload::SignaturePolicy(members)) =
            config.member_orgs_policy.and_then(|policy| policy.payload)
        else {
            panic!("no members");
        };
        assert_eq!(members.identities.len(), 2);
    }

    #[test]
    fn policies_that_are_none_are_refused() {
        assert!(
            ChaincodeDefinition::new("a", "1")
                .endorsement_policy("SOME('A.peer')")
                .is_err()
        );
        assert!(
            CollectionConfig::new("c", Vec::<String>::new())
                .to_message()
                .is_err()
        );
    }
}
