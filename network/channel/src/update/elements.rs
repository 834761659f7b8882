//! A configuration tree as a flat map from path to element (common/configtx/configmap.go).

use std::collections::BTreeMap;

use fabric_protos::common::{ConfigGroup, ConfigPolicy, ConfigValue};

use crate::error::ChannelError;
use crate::keys;

/// Fabric's limit for the names of elements.
const MAX_NAME: usize = 249;
/// Real trees are four groups deep; what is far deeper was made to exhaust the stack.
const MAX_DEPTH: usize = 32;
/// The policy of elements that old tools left without one (configmap.go, FAB-5309).
const FALLBACK_POLICY: &str = keys::ADMINS;

/// The elements of a tree. Keys are `[Group]  /Channel/…`, `[Value]  …` and `[Policy] …`, the form of Fabric's error texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements<'a>(BTreeMap<String, Element<'a>>);

/// One element and the groups that lead to it.
#[derive(Debug, Clone)]
pub(super) struct Element<'a> {
    kind: Kind<'a>,
    /// The path of the group whose policies a relative mod_policy means: the group itself, or the one around a value or policy.
    context: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Group(&'a ConfigGroup),
    Value(&'a ConfigValue),
    Policy(&'a ConfigPolicy),
}

impl Element<'_> {
    pub(super) fn version(&self) -> u64 {
        match self.kind {
            Kind::Group(group) => group.version,
            Kind::Value(value) => value.version,
            Kind::Policy(policy) => policy.version,
        }
    }

    pub(super) fn mod_policy(&self) -> &str {
        match self.kind {
            Kind::Group(group) => &group.mod_policy,
            Kind::Value(value) => &value.mod_policy,
            Kind::Policy(policy) => &policy.mod_policy,
        }
    }

    /// The absolute path of the policy that guards this element.
    pub(super) fn policy_path(&self) -> String {
        match self.mod_policy() {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("{}/{relative}", self.context),
        }
    }
}

impl<'a> Elements<'a> {
    /// Flattens a tree; the empty map for none.
    pub(super) fn of(root: Option<&'a ConfigGroup>) -> Result<Self, ChannelError> {
        let mut found = Self::default();
        if let Some(root) = root {
            found.add(&format!("/{}", keys::CHANNEL), root, 0)?;
        }
        Ok(found)
    }

    fn add(&mut self, path: &str, group: &'a ConfigGroup, depth: usize) -> Result<(), ChannelError> {
        if depth > MAX_DEPTH {
            return Err(ChannelError::config(path, "groups nest too deep"));
        }
        let context = path.to_owned();
        self.0.insert(
            group_key(path),
            Element {
                kind: Kind::Group(group),
                context: context.clone(),
            },
        );
        for (name, value) in &group.values {
            check_name(path, name)?;
            let element = Element {
                kind: Kind::Value(value),
                context: context.clone(),
            };
            self.0.insert(value_key(&format!("{path}/{name}")), element);
        }
        for (name, policy) in &group.policies {
            check_name(path, name)?;
            let element = Element {
                kind: Kind::Policy(policy),
                context: context.clone(),
            };
            self.0.insert(policy_key(&format!("{path}/{name}")), element);
        }
        for (name, child) in &group.groups {
            check_name(path, name)?;
            self.add(&format!("{path}/{name}"), child, depth + 1)?;
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Element<'a>)> {
        self.0.iter().map(|(path, element)| (path.as_str(), element))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn find(&self, path: &str) -> Option<&Element<'a>> {
        self.0.get(path)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements whose version is not the one in `read_set`.
    pub(super) fn without_unchanged(&self, read_set: &Self) -> Self {
        let changed = |path: &str, element: &Element<'_>| {
            read_set
                .find(path)
                .is_none_or(|read| read.version() != element.version())
        };
        Self(
            self.iter()
                .filter(|(path, element)| changed(path, element))
                .map(|(path, element)| (path.to_owned(), element.clone()))
                .collect(),
        )
    }

    /// These elements with those of `delta` in place of theirs.
    pub(super) fn overlaid(mut self, delta: Self) -> Self {
        self.0.extend(delta.0);
        self
    }

    /// The tree of which these are the elements. What no group names any more is left out.
    pub(super) fn rebuild(&self) -> Result<ConfigGroup, ChannelError> {
        let channel = format!("/{}", keys::CHANNEL);
        let capabilities = value_key(&format!("{channel}/{}/{}", keys::ORDERER, keys::CAPABILITIES));
        self.rebuild_group(&channel, self.contains(&capabilities))
    }

    fn rebuild_group(&self, path: &str, fill_policies: bool) -> Result<ConfigGroup, ChannelError> {
        let filled = |mod_policy: &str| {
            if fill_policies && mod_policy.is_empty() {
                FALLBACK_POLICY.to_owned()
            } else {
                mod_policy.to_owned()
            }
        };
        let missing = |key: &str| {
            ChannelError::Update(format!(
                "could not turn configMap back to channelGroup: missing element at path: {key}"
            ))
        };
        let key = group_key(path);
        let Some(Element {
            kind: Kind::Group(group),
            ..
        }) = self.find(&key)
        else {
            return Err(missing(&key));
        };
        let mut rebuilt = ConfigGroup {
            version: group.version,
            mod_policy: filled(&group.mod_policy),
            ..ConfigGroup::default()
        };
        for name in group.groups.keys() {
            rebuilt.groups.insert(
                name.clone(),
                self.rebuild_group(&format!("{path}/{name}"), fill_policies)?,
            );
        }
        for name in group.values.keys() {
            let key = value_key(&format!("{path}/{name}"));
            let Some(Element {
                kind: Kind::Value(value),
                ..
            }) = self.find(&key)
            else {
                return Err(missing(&key));
            };
            let value = ConfigValue {
                mod_policy: filled(&value.mod_policy),
                ..(*value).clone()
            };
            rebuilt.values.insert(name.clone(), value);
        }
        for name in group.policies.keys() {
            let key = policy_key(&format!("{path}/{name}"));
            let Some(Element {
                kind: Kind::Policy(policy),
                ..
            }) = self.find(&key)
            else {
                return Err(missing(&key));
            };
            let policy = ConfigPolicy {
                mod_policy: filled(&policy.mod_policy),
                ..(*policy).clone()
            };
            rebuilt.policies.insert(name.clone(), policy);
        }
        Ok(rebuilt)
    }
}

/// Checks the names of all elements of a tree.
pub(crate) fn check_names(root: &ConfigGroup) -> Result<(), ChannelError> {
    Elements::of(Some(root)).map(|_| ())
}

/// Checks that `mod_policy` is a path of allowed names.
pub(super) fn check_mod_policy(path: &str, mod_policy: &str) -> Result<(), ChannelError> {
    let refused = |reason: String| {
        ChannelError::Update(format!(
            "error validating DeltaSet: invalid mod_policy for element {path}: {reason}"
        ))
    };
    if mod_policy.is_empty() {
        return Err(refused("mod_policy not set".into()));
    }
    let names = mod_policy.strip_prefix('/').unwrap_or(mod_policy).split('/');
    for (index, name) in names.enumerate() {
        fault(name).map_err(|reason| refused(format!("path element at {index} is invalid: {reason}")))?;
    }
    Ok(())
}

fn check_name(path: &str, name: &str) -> Result<(), ChannelError> {
    fault(name).map_err(|reason| ChannelError::config(path, format!("illegal characters in key: {reason}")))
}

/// What is wrong with the name of an element (validator.go `validateConfigID`). The name itself is not repeated when it may be
/// anything.
fn fault(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if name.is_empty() {
        Err("config ID illegal, cannot be empty".into())
    } else if name.len() > MAX_NAME {
        Err(format!("config ID illegal, cannot be longer than {MAX_NAME}"))
    } else if matches!(name, "." | "..") {
        Err(format!("name '{name}' for config ID is not allowed"))
    } else if !name.bytes().all(fits) {
        Err(format!(
            "config ID '{}' contains illegal characters",
            name.escape_default()
        ))
    } else {
        Ok(())
    }
}

fn group_key(path: &str) -> String {
    format!("[Group]  {path}")
}

fn value_key(path: &str) -> String {
    format!("[Value]  {path}")
}

fn policy_key(path: &str) -> String {
    format!("[Policy] {path}")
}
