//! The smallest update that leads from one configuration to another (internal/configtxlator/update).

use std::collections::BTreeMap;

use fabric_protos::common::{Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigValue};

use crate::error::ChannelError;

/// Computes the update of `channel_id` from `original` to `updated`. Versions in `updated` are not looked at.
///
/// # Errors
/// [`ChannelError::Config`] when a channel group is missing, [`ChannelError::NoDifference`].
pub fn compute_update(
    channel_id: &str,
    original: &Config,
    updated: &Config,
) -> Result<ConfigUpdate, ChannelError> {
    let root = |config: &'_ Config| -> Result<ConfigGroup, ChannelError> {
        config
            .channel_group
            .clone()
            .ok_or_else(|| ChannelError::config("/Channel", "the configuration has no channel group"))
    };
    match compare_groups(&root(original)?, &root(updated)?) {
        Difference::None(_) => Err(ChannelError::NoDifference),
        Difference::Some { read, write } => Ok(ConfigUpdate {
            channel_id: channel_id.to_owned(),
            read_set: Some(read),
            write_set: Some(write),
            ..ConfigUpdate::default()
        }),
    }
}

enum Difference {
    /// Nothing below differs; the element as it is named in both sets when its group changes.
    None(ConfigGroup),
    Some {
        read: ConfigGroup,
        write: ConfigGroup,
    },
}

fn compare_groups(original: &ConfigGroup, updated: &ConfigGroup) -> Difference {
    let values = compare(&original.values, &updated.values);
    let policies = compare(&original.policies, &updated.policies);
    let groups = compare_group_maps(&original.groups, &updated.groups);

    let members_changed = values.members_changed || policies.members_changed || groups.members_changed;
    if !members_changed && original.mod_policy == updated.mod_policy {
        let untouched = ConfigGroup {
            version: original.version,
            ..ConfigGroup::default()
        };
        if values.write.is_empty() && policies.write.is_empty() && groups.write.is_empty() {
            return Difference::None(untouched);
        }
        return Difference::Some {
            read: ConfigGroup {
                groups: groups.read,
                ..untouched
            },
            write: ConfigGroup {
                version: original.version,
                groups: groups.write,
                values: values.write,
                policies: policies.write,
                mod_policy: String::new(),
            },
        };
    }
    // The group itself changes: both sets must name all members that stay.
    let mut read = ConfigGroup {
        version: original.version,
        groups: groups.read,
        values: values.same.clone(),
        policies: policies.same.clone(),
        mod_policy: String::new(),
    };
    read.groups.extend(groups.same.clone());
    let mut write = ConfigGroup {
        version: original.version + 1,
        groups: groups.write,
        values: values.write,
        policies: policies.write,
        mod_policy: updated.mod_policy.clone(),
    };
    write.groups.extend(groups.same);
    write.values.extend(values.same);
    write.policies.extend(policies.same);
    Difference::Some { read, write }
}

/// A value or a policy: compared by content, numbered by version.
trait Leaf: Clone {
    fn same_content(&self, other: &Self) -> bool;
    fn version(&self) -> u64;
    /// Only the version: how an unchanged element is named.
    fn reference(&self) -> Self;
    fn with_version(&self, version: u64) -> Self;
}

impl Leaf for ConfigValue {
    fn same_content(&self, other: &Self) -> bool {
        self.mod_policy == other.mod_policy && self.value == other.value
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn reference(&self) -> Self {
        Self {
            version: self.version,
            ..Self::default()
        }
    }

    fn with_version(&self, version: u64) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }
}

impl Leaf for ConfigPolicy {
    fn same_content(&self, other: &Self) -> bool {
        self.mod_policy == other.mod_policy && self.policy == other.policy
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn reference(&self) -> Self {
        Self {
            version: self.version,
            ..Self::default()
        }
    }

    fn with_version(&self, version: u64) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }
}

struct Leaves<L> {
    write: BTreeMap<String, L>,
    same: BTreeMap<String, L>,
    members_changed: bool,
}

fn compare<L: Leaf>(original: &BTreeMap<String, L>, updated: &BTreeMap<String, L>) -> Leaves<L> {
    let mut leaves = Leaves {
        write: BTreeMap::new(),
        same: BTreeMap::new(),
        members_changed: original.keys().any(|name| !updated.contains_key(name)),
    };
    for (name, new) in updated {
        match original.get(name) {
            None => {
                leaves.members_changed = true;
                leaves.write.insert(name.clone(), new.with_version(0));
            }
            Some(old) if old.same_content(new) => {
                leaves.same.insert(name.clone(), old.reference());
            }
            Some(old) => {
                leaves
                    .write
                    .insert(name.clone(), new.with_version(old.version() + 1));
            }
        }
    }
    leaves
}

struct Groups {
    read: BTreeMap<String, ConfigGroup>,
    write: BTreeMap<String, ConfigGroup>,
    same: BTreeMap<String, ConfigGroup>,
    members_changed: bool,
}

fn compare_group_maps(
    original: &BTreeMap<String, ConfigGroup>,
    updated: &BTreeMap<String, ConfigGroup>,
) -> Groups {
    let mut groups = Groups {
        read: BTreeMap::new(),
        write: BTreeMap::new(),
        same: BTreeMap::new(),
        members_changed: original.keys().any(|name| !updated.contains_key(name)),
    };
    for (name, new) in updated {
        match original.get(name) {
            None => {
                groups.members_changed = true;
                groups.write.insert(name.clone(), as_new(new));
            }
            Some(old) => match compare_groups(old, new) {
                Difference::None(reference) => {
                    groups.same.insert(name.clone(), reference);
                }
                Difference::Some { read, write } => {
                    groups.read.insert(name.clone(), read);
                    groups.write.insert(name.clone(), write);
                }
            },
        }
    }
    groups
}

/// A group that was not there before: everything in it is at version 0.
fn as_new(group: &ConfigGroup) -> ConfigGroup {
    ConfigGroup {
        version: 0,
        groups: group
            .groups
            .iter()
            .map(|(name, child)| (name.clone(), as_new(child)))
            .collect(),
        values: group
            .values
            .iter()
            .map(|(name, value)| (name.clone(), value.with_version(0)))
            .collect(),
        policies: group
            .policies
            .iter()
            .map(|(name, policy)| (name.clone(), policy.with_version(0)))
            .collect(),
        mod_policy: group.mod_policy.clone(),
    }
}
