//! Chaincode definitions and what organisations approve of them.

use fabric_chaincode_host::AccessError;
use fabric_protos::lifecycle::{
    ChaincodeEndorsementInfo, ChaincodeSource, ChaincodeValidationInfo, chaincode_source, state_data,
};
use fabric_protos::peer::{CollectionConfigPackage, StaticCollectionConfig, collection_config};
use prost::Message;

use super::state::{self, CHAINCODE_SOURCES, NAMESPACES, ReadState, Record};

/// Type name of a committed definition's record.
pub(crate) const DEFINITION_TYPE: &str = "ChaincodeDefinition";
/// Field with a definition's explicit collections.
pub(crate) const COLLECTIONS_FIELD: &str = "Collections";
/// Type name of an approved definition's record.
const PARAMETERS_TYPE: &str = "ChaincodeParameters";
/// Type name of an approved package's record.
const LOCAL_PACKAGE_TYPE: &str = "ChaincodeLocalPackage";

/// A chaincode's definition on a channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChaincodeDefinition {
    /// Counts the definitions of this chaincode from 1.
    pub sequence: i64,
    /// Version, init requirement and endorsement plugin.
    pub endorsement: ChaincodeEndorsementInfo,
    /// Validation plugin and the endorsement policy: a marshalled `ApplicationPolicy`.
    pub validation: ChaincodeValidationInfo,
    /// The explicit private data collections.
    pub collections: CollectionConfigPackage,
}

impl ChaincodeDefinition {
    /// The explicit collection `name`, if the definition has it.
    pub fn collection(&self, name: &str) -> Option<&StaticCollectionConfig> {
        self.collections().find(|collection| collection.name == name)
    }

    /// The explicit collections in their order.
    pub fn collections(&self) -> impl Iterator<Item = &StaticCollectionConfig> {
        let payloads = self
            .collections
            .config
            .iter()
            .filter_map(|config| config.payload.as_ref());
        payloads.map(|collection_config::Payload::StaticCollectionConfig(collection)| collection)
    }

    /// The definition committed for `chaincode`, if there is one.
    pub(crate) fn read(
        chaincode: &str,
        state: &(impl ReadState + ?Sized),
    ) -> Result<Option<Self>, AccessError> {
        let Some(metadata) = state::metadata(NAMESPACES, chaincode, state)? else {
            return Ok(None);
        };
        if metadata.datatype != DEFINITION_TYPE {
            return Err(format!("not a chaincode type: {}", metadata.datatype).into());
        }
        Ok(Some(Self {
            sequence: sequence(chaincode, state)?,
            endorsement: state::message(NAMESPACES, chaincode, "EndorsementInfo", state)?,
            validation: state::message(NAMESPACES, chaincode, "ValidationInfo", state)?,
            collections: state::message(NAMESPACES, chaincode, COLLECTIONS_FIELD, state)?,
        }))
    }

    /// The record of a committed definition.
    pub(crate) fn record(&self) -> Record {
        let mut fields = vec![("Sequence", state_data::Type::Int64(self.sequence))];
        fields.extend(self.parameter_fields());
        Record {
            datatype: DEFINITION_TYPE,
            fields,
        }
    }

    /// The record of an organisation's approval.
    pub(crate) fn parameters_record(&self) -> Record {
        Record {
            datatype: PARAMETERS_TYPE,
            fields: self.parameter_fields(),
        }
    }

    fn parameter_fields(&self) -> Vec<(&'static str, state_data::Type)> {
        let bytes = |bytes| state_data::Type::Bytes(bytes);
        vec![
            ("EndorsementInfo", bytes(self.endorsement.encode_to_vec())),
            ("ValidationInfo", bytes(self.validation.encode_to_vec())),
            (COLLECTIONS_FIELD, bytes(self.collections.encode_to_vec())),
        ]
    }

    /// Says which parameter of `other` differs from this one's, as Fabric words it.
    pub(crate) fn compare_parameters(&self, other: &Self) -> Result<(), String> {
        let (mine, theirs) = (&self.endorsement, &other.endorsement);
        if mine.version != theirs.version {
            return Err(format!(
                "expected Version '{}' does not match passed Version '{}'",
                mine.version, theirs.version
            ));
        }
        if mine.endorsement_plugin != theirs.endorsement_plugin {
            return Err(format!(
                "expected EndorsementPlugin '{}' does not match passed EndorsementPlugin '{}'",
                mine.endorsement_plugin, theirs.endorsement_plugin
            ));
        }
        if mine.init_required != theirs.init_required {
            return Err(format!(
                "expected InitRequired '{}' does not match passed InitRequired '{}'",
                mine.init_required, theirs.init_required
            ));
        }
        let (mine, theirs) = (&self.validation, &other.validation);
        if mine.validation_plugin != theirs.validation_plugin {
            return Err(format!(
                "expected ValidationPlugin '{}' does not match passed ValidationPlugin '{}'",
                mine.validation_plugin, theirs.validation_plugin
            ));
        }
        if mine.validation_parameter != theirs.validation_parameter {
            return Err(format!(
                "expected ValidationParameter '{}' does not match passed ValidationParameter '{}'",
                hex::encode(&mine.validation_parameter),
                hex::encode(&theirs.validation_parameter)
            ));
        }
        if self.collections != other.collections {
            return Err("Collections do not match".to_owned());
        }
        Ok(())
    }
}

/// A definition that this peer's organisation approved, and the package it runs for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Approval {
    pub(crate) definition: ChaincodeDefinition,
    /// Empty when the organisation does not run the chaincode.
    pub(crate) package_id: String,
}

impl Approval {
    /// The approval of `chaincode` at `sequence` in an organisation's own collection.
    pub(crate) fn read(
        chaincode: &str,
        sequence: i64,
        org: &(impl ReadState + ?Sized),
    ) -> Result<Option<Self>, AccessError> {
        let name = private_name(chaincode, sequence);
        let Some(metadata) = state::metadata(NAMESPACES, &name, org)? else {
            return Ok(None);
        };
        if metadata.datatype != PARAMETERS_TYPE {
            return Err(format!("not a chaincode parameters type: {}", metadata.datatype).into());
        }
        let definition = ChaincodeDefinition {
            sequence,
            endorsement: state::message(NAMESPACES, &name, "EndorsementInfo", org)?,
            validation: state::message(NAMESPACES, &name, "ValidationInfo", org)?,
            collections: state::message(NAMESPACES, &name, COLLECTIONS_FIELD, org)?,
        };
        let Some(source) = state::metadata(CHAINCODE_SOURCES, &name, org)? else {
            return Err(format!("could not fetch chaincode-source metadata for {name}").into());
        };
        if source.datatype != LOCAL_PACKAGE_TYPE {
            return Err(format!("not a chaincode local package type: {}", source.datatype).into());
        }
        let package_id = state::string(CHAINCODE_SOURCES, &name, "PackageID", org)?;
        Ok(Some(Self {
            definition,
            package_id,
        }))
    }

    /// The record that names the approved package.
    pub(crate) fn source_record(&self) -> Record {
        let package_id = state_data::Type::String(self.package_id.clone());
        Record {
            datatype: LOCAL_PACKAGE_TYPE,
            fields: vec![("PackageID", package_id)],
        }
    }

    /// The package as the lifecycle's messages name it.
    pub(crate) fn source(&self) -> ChaincodeSource {
        let source = if self.package_id.is_empty() {
            chaincode_source::Type::Unavailable(chaincode_source::Unavailable {})
        } else {
            let local = chaincode_source::Local {
                package_id: self.package_id.clone(),
            };
            chaincode_source::Type::LocalPackage(local)
        };
        ChaincodeSource { r#type: Some(source) }
    }
}

/// The sequence of the definition committed for `chaincode`; zero when there is none.
pub(crate) fn sequence(chaincode: &str, state: &(impl ReadState + ?Sized)) -> Result<i64, AccessError> {
    state::int64(NAMESPACES, chaincode, "Sequence", state)
}

/// Name of an approval's record: approvals of different sequences lie side by side.
pub(crate) fn private_name(chaincode: &str, sequence: i64) -> String {
    format!("{chaincode}#{sequence}")
}

/// The other way round.
pub(crate) fn split_private_name(name: &str) -> Result<(&str, i64), AccessError> {
    let invalid = || format!("invalid private name format: {name}");
    let (chaincode, sequence) = name.split_once('#').ok_or_else(invalid)?;
    let sequence = sequence
        .parse()
        .map_err(|error| format!("invalid sequence number in private name: {name}: {error}"))?;
    Ok((chaincode, sequence))
}
