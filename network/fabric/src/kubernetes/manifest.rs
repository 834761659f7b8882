//! An organisation's objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::object;
use crate::error::RenderError;

/// What tells a namespace's workloads apart.
const NAME: &str = "app.kubernetes.io/name";

/// An organisation: what runs in its namespace.
pub(super) struct Organisation {
    pub(super) namespace: String,
    pub(super) domain: String,
    pub(super) workloads: Vec<Workload>,
    /// The number of ordering nodes, of which more than half must run; 0 where there are none.
    pub(super) quorum_of: usize,
}

/// One container with what it needs.
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) mounts: Vec<Mount>,
    pub(super) ports: Vec<(&'static str, u16)>,
    /// The ports that other organisations reach.
    pub(super) open: Vec<u16>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) memory: &'static str,
    /// What it keeps; none of what can be thrown away.
    pub(super) claim: Option<Claim>,
    /// The command that tells whether it answers.
    pub(super) probe: Vec<String>,
}

/// A volume that stays.
pub(super) struct Claim {
    pub(super) path: &'static str,
    pub(super) size: &'static str,
}

/// Files of the rendered directory in a container.
pub(super) struct Mount {
    from: Source,
    path: &'static str,
}

enum Source {
    /// A directory with all below it.
    Directory(String),
    /// Files, and what they are called in the container.
    Files(Vec<(String, String)>),
}

impl Mount {
    pub(super) fn of(directory: String, path: &'static str) -> Self {
        let from = Source::Directory(directory);
        Self { from, path }
    }

    pub(super) fn files(files: Vec<(String, String)>, path: &'static str) -> Self {
        let from = Source::Files(files);
        Self { from, path }
    }

    /// The name of its secret and volume: the last part of where it goes.
    fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Its files: where they are in the rendered directory, and in the container below the mount.
    fn list(&self, root: &Path) -> Result<Vec<(String, String)>, RenderError> {
        let directory = match &self.from {
            Source::Files(files) => return Ok(files.clone()),
            Source::Directory(directory) => directory,
        };
        let (mut found, mut open) = (Vec::new(), vec![String::new()]);
        while let Some(below) = open.pop() {
            let path = root.join(directory).join(&below);
            for entry in fs::read_dir(&path).map_err(RenderError::io(&path))? {
                let entry = entry.map_err(RenderError::io(&path))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let below = match below.as_str() {
                    "" => name,
                    parent => format!("{parent}/{name}"),
                };
                if entry.path().is_dir() {
                    open.push(below);
                } else {
                    found.push((format!("{directory}/{below}"), below));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// A key of a secret for a path: paths have characters that keys may not have.
fn key(path: &str) -> String {
    hex::encode(
        digest(&SHA256, path.as_bytes())
            .as_ref()
            .get(..16)
            .unwrap_or_default(),
    )
}

impl Organisation {
    /// The secrets that its containers mount, one for each mount. As secret as the rendered directory.
    pub(super) fn secrets(&self, root: &Path) -> Result<Value, RenderError> {
        let mut items = vec![self.own()];
        for workload in &self.workloads {
            for mount in &workload.mounts {
                let mut data = Map::new();
                let mut paths = BTreeMap::new();
                for (file, below) in mount.list(root)? {
                    let path = root.join(file);
                    let content = fs::read(&path).map_err(RenderError::io(path))?;
                    data.insert(key(&below), STANDARD.encode(&content).into());
                    paths.insert(key(&below), below);
                }
                items.push(json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {
                        "name": format!("{}-{}", workload.name, mount.name()),
                        "namespace": self.namespace,
                        "labels": { "app.kubernetes.io/part-of": "careledger" },
                        "annotations": { "careledger/files": serde_json::to_string(&paths)? },
                    },
                    "type": "Opaque",
                    "data": data,
                }));
            }
        }
        Ok(list(items))
    }

    /// Everything else. `owner` runs the containers.
    pub(super) fn manifest(&self, root: &Path, owner: (u32, u32)) -> Result<Value, RenderError> {
        let mut items = vec![self.own()];
        items.push(self.policy("closed", json!({}), json!([])));
        for workload in &self.workloads {
            items.push(self.service(workload));
            items.push(self.runs(workload, root, owner)?);
            items.push(self.reached(workload));
        }
        if self.quorum_of > 1 {
            let spec = json!({
                "minAvailable": self.quorum_of / 2 + 1,
                "selector": { "matchLabels": { "app.kubernetes.io/part-of": "careledger" } },
            });
            items.push(object(
                "policy/v1",
                "PodDisruptionBudget",
                &self.namespace,
                "quorum",
                spec,
            ));
        }
        Ok(list(items))
    }

    /// The namespace itself, where nothing with more rights than these containers have may run.
    fn own(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": self.namespace,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted", "app.kubernetes.io/part-of": "careledger" },
            },
        })
    }

    fn service(&self, workload: &Workload) -> Value {
        let ports = workload
            .ports
            .iter()
            .map(|(name, port)| json!({ "name": name, "port": port, "targetPort": port }));
        let spec = json!({
            "selector": { NAME: workload.name },
            "ports": ports.collect::<Vec<_>>(),
            // Nodes find each other before they are ready.
            "publishNotReadyAddresses": true,
        });
        object("v1", "Service", &self.namespace, &workload.name, spec)
    }

    /// Who may connect: its own organisation, and others where it is open to them.
    fn reached(&self, workload: &Workload) -> Value {
        let ports = |ports: &mut dyn Iterator<Item = u16>| -> Vec<Value> {
            ports
                .map(|port| json!({ "protocol": "TCP", "port": port }))
                .collect()
        };
        let mut rules = vec![json!({
            "from": [{ "podSelector": {} }],
            "ports": ports(&mut workload.ports.iter().map(|(_, port)| *port)),
        })];
        if !workload.open.is_empty() {
            rules.push(json!({
                "from": [{ "namespaceSelector": { "matchLabels": { "app.kubernetes.io/part-of": "careledger" } } }],
                "ports": ports(&mut workload.open.iter().copied()),
            }));
        }
        self.policy(
            &workload.name,
            json!({ "matchLabels": { NAME: workload.name } }),
            rules.into(),
        )
    }

    fn policy(&self, name: &str, selector: Value, ingress: Value) -> Value {
        let spec = json!({ "podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress });
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            &self.namespace,
            name,
            spec,
        )
    }

    fn runs(&self, workload: &Workload, root: &Path, owner: (u32, u32)) -> Result<Value, RenderError> {
        let labels = json!({ NAME: workload.name, "app.kubernetes.io/part-of": "careledger" });
        let selector = json!({ "matchLabels": { NAME: workload.name } });
        let template = json!({ "metadata": { "labels": labels }, "spec": pod(workload, root, owner)? });
        let (kind, spec) = match &workload.claim {
            None => (
                "Deployment",
                json!({ "replicas": 1, "selector": selector, "template": template }),
            ),
            Some(claim) => (
                "StatefulSet",
                json!({
                    "replicas": 1,
                    "serviceName": workload.name,
                    "selector": selector,
                    "template": template,
                    "volumeClaimTemplates": [{
                        "metadata": { "name": "data" },
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": { "requests": { "storage": claim.size } },
                        },
                    }],
                }),
            ),
        };
        Ok(object("apps/v1", kind, &self.namespace, &workload.name, spec))
    }
}

fn pod(workload: &Workload, root: &Path, (user, group): (u32, u32)) -> Result<Value, RenderError> {
    let mut volumes = vec![json!({ "name": "tmp", "emptyDir": { "medium": "Memory", "sizeLimit": "64Mi" } })];
    let mut mounts = vec![json!({ "name": "tmp", "mountPath": "/tmp" })];
    for mount in &workload.mounts {
        let files = mount.list(root)?.into_iter();
        let items: Vec<Value> = files
            .map(|(_, below)| json!({ "key": key(&below), "path": below }))
            .collect();
        let secret = json!({
            "secretName": format!("{}-{}", workload.name, mount.name()),
            "defaultMode": 0o440,
            "items": items,
        });
        volumes.push(json!({ "name": mount.name(), "secret": secret }));
        mounts.push(json!({ "name": mount.name(), "mountPath": mount.path, "readOnly": true }));
    }
    if let Some(claim) = &workload.claim {
        mounts.push(json!({ "name": "data", "mountPath": claim.path }));
    }
    let environment: Vec<Value> = workload
        .environment
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let ports: Vec<Value> = workload
        .ports
        .iter()
        .map(|(name, port)| json!({ "name": name, "containerPort": port }))
        .collect();
    let probe = |after: u32, failures: u32| {
        json!({
            "exec": { "command": workload.probe },
            "initialDelaySeconds": after,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    Ok(json!({
        "automountServiceAccountToken": false,
        // Kubernetes puts a variable for every service into the environment: Fabric's nodes would read CORE_… and ORDERER_… out of it.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": user,
            "runAsGroup": group,
            "fsGroup": group,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "node",
            "image": workload.image,
            "env": environment,
            "ports": ports,
            "volumeMounts": mounts,
            "startupProbe": probe(2, 30),
            "readinessProbe": probe(0, 3),
            "livenessProbe": probe(0, 12),
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": workload.memory } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        }],
        "volumes": volumes,
    }))
}

fn list(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}
