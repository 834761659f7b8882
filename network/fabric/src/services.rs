//! What the containers beside Fabric's own need: TLS of chaincode, vault and CA, the chaincode packages, CouchDB's administrator.

use std::fs;

use fabric_gateway_sdk::{ChaincodePackage, ChaincodeService};
use fabric_msp::ca::{IssueRequest, Kind};
use fabric_msp::cryptogen::Organization;

use crate::Packages;
use crate::error::RenderError;
use crate::files::Files;
use crate::nodes::filled;
use crate::organisations::Trees;
use crate::plan::{ChaincodeRelease, MemberPlan, PeerPlan, Plan};
use crate::secret;

const CA: &str = include_str!("../templates/fabric-ca-server-config.yaml");
/// Where a chaincode service listens, inside its network.
pub(crate) const CHAINCODE_PORT: u16 = 9_999;
/// Who may read what is no secret: CouchDB runs as a user of its own.
const PUBLIC: u32 = 0o644;

/// Writes it all, and gives the packages by MSP id.
pub(crate) fn prepare<'p>(
    files: &mut Files,
    plan: &'p Plan,
    trees: &Trees,
) -> Result<Packages<'p>, RenderError> {
    let mut packages = Packages::new();
    for (member, tree) in plan.members.iter().zip(&trees.members) {
        for release in &plan.releases {
            let label = format!("{}_{}", plan.chaincode, release.version);
            let package = chaincode(files, (member, tree), release, &label)?;
            packages.push((member.msp_id.clone(), release, package));
        }
        for vault in &member.vaults {
            if !tree.user_dir(&vault.user).is_dir() {
                let reason = format!("{} has no user {} for its vault", member.msp_id, vault.user);
                return Err(RenderError::Config(reason));
            }
            tls(files, tree, &vault.host)?;
        }
        ca(files, member, tree)?;
        for peer in &member.peers {
            couchdb(files, peer)?;
        }
    }
    Ok(packages)
}

/// The package's file below the rendered directory.
pub(crate) fn package_file(member: &MemberPlan, release: &ChaincodeRelease) -> String {
    format!("packages/{}{}.tar.gz", member.msp_id, release.suffix())
}

/// The password that a peer and its CouchDB share.
pub(crate) fn couchdb_password(files: &mut Files, peer: &PeerPlan) -> Result<Vec<u8>, RenderError> {
    files.once(format!("secrets/{}", peer.couchdb_host()), secret::password)
}

/// The service's certificate, and the package that tells the member's peers how to reach it. The service takes nobody without a
/// certificate of the member's TLS CA, so the package holds one for the peers, with its key.
fn chaincode(
    files: &mut Files,
    (member, tree): (&MemberPlan, &Organization),
    release: &ChaincodeRelease,
    label: &str,
) -> Result<ChaincodePackage, RenderError> {
    let host = member.chaincode_host(release);
    tls(files, tree, &host)?;
    let bytes = files.once(package_file(member, release), || {
        let client = tree.tls_ca()?.issue(&IssueRequest {
            common_name: format!("peers.{}", member.domain),
            kind: Kind::Tls,
            ..IssueRequest::default()
        })?;
        let roots = tree.tls_ca()?.certificate_pem();
        let service = ChaincodeService::tls(format!("{host}:{CHAINCODE_PORT}"), roots)
            .client_certificate(client.certificate_pem, client.key_pem);
        Ok(ChaincodePackage::service(label, &service)?.bytes().to_vec())
    })?;
    Ok(ChaincodePackage::from_bytes(bytes)?)
}

/// A service's TLS certificate and key, and the CA of both sides.
fn tls(files: &mut Files, tree: &Organization, host: &str) -> Result<(), RenderError> {
    let dir = format!("services/{host}");
    let path = files.root().join(&dir);
    // The key comes last: with it the rest is there.
    if path.join("server.key").exists() {
        files.kept(1);
        return Ok(());
    }
    let ca = tree.tls_ca()?;
    let first = host.split('.').next().unwrap_or(host);
    let issued = ca.issue(&IssueRequest {
        common_name: host.to_owned(),
        kind: Kind::Tls,
        sans: [host, first, "localhost", "127.0.0.1"].map(str::to_owned).into(),
        ..IssueRequest::default()
    })?;
    for rest in ["ca.crt", "server.crt"] {
        match fs::remove_file(path.join(rest)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RenderError::io(path.join(rest))(error));
            }
            _ => {}
        }
    }
    files.once(format!("{dir}/ca.crt"), || {
        Ok(ca.certificate_pem().as_bytes().to_vec())
    })?;
    files.once(format!("{dir}/server.crt"), || {
        Ok(issued.certificate_pem.into_bytes())
    })?;
    files.once(format!("{dir}/server.key"), || Ok(issued.key_pem.into_bytes()))?;
    Ok(())
}

fn ca(files: &mut Files, member: &MemberPlan, tree: &Organization) -> Result<(), RenderError> {
    let host = member.ca_host();
    tls(files, tree, &host)?;
    let password = files.once(format!("secrets/{host}"), secret::password)?;
    let text = filled(
        CA,
        &[
            ("domain", &member.domain),
            ("password", &String::from_utf8_lossy(&password)),
        ],
    );
    files.setting(
        format!("nodes/{host}/fabric-ca-server-config.yaml"),
        text.as_bytes(),
    )
}

/// CouchDB's settings: its administrator, by a hash, and one node.
fn couchdb(files: &mut Files, peer: &PeerPlan) -> Result<(), RenderError> {
    let password = couchdb_password(files, peer)?;
    let host = peer.couchdb_host();
    let name = format!("services/{host}/careledger.ini");
    let hash = files.once(format!("secrets/{host}.hash"), || {
        let salt = String::from_utf8_lossy(&secret::password()?).into_owned();
        Ok(secret::couchdb_hash(&password, &salt).into_bytes())
    })?;
    let text = format!(
        "[couchdb]\nsingle_node = true\n\n[chttpd]\nbind_address = any\n\n[admins]\ncareledger = {}\n",
        String::from_utf8_lossy(&hash)
    );
    files.setting_with_mode(name, text.as_bytes(), PUBLIC)
}
