//! Whole channels, with real certificates.

mod bundle;
mod compute;
mod edit;
mod genesis;
mod texts;
mod update;

use std::path::Path;

use fabric_msp::SigningIdentity;
use fabric_msp::cryptogen::{self, OrgKind, Organization};

use fabric_protos::common::{ConfigEnvelope, ConfigGroup, ConfigUpdate};

use crate::{
    Bundle, ChannelError, ChannelSpec, ConsenterSpec, OrdererSpec, OrgSpec, compute_update, genesis_block,
    sign_update,
};

/// Three organisations with peers and one with an ordering node, in a directory that lives as long as this.
pub(crate) struct Consortium {
    _directory: tempfile::TempDir,
    pub(crate) peers: Vec<Organization>,
    pub(crate) orderer: Organization,
}

impl Consortium {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let generated = generate(directory.path());
        let (orderers, peers) = generated
            .into_iter()
            .partition::<Vec<_>, _>(|org| org.kind() == OrgKind::Orderer);
        Self {
            _directory: directory,
            peers,
            orderer: orderers.into_iter().next().expect("is there"),
        }
    }

    pub(crate) fn spec(&self) -> ChannelSpec {
        let organizations = self
            .peers
            .iter()
            .map(|org| OrgSpec::new(org.msp_config().expect("reads")))
            .collect::<Vec<_>>();
        let certificate = self.orderer.node_tls("orderer").expect("reads").certificate_pem;
        let consenter = ConsenterSpec {
            host: "orderer.example.com".into(),
            port: 7050,
            client_tls_certificate: certificate.clone(),
            server_tls_certificate: certificate,
        };
        let msp = self.orderer.msp_config().expect("reads");
        let orderer = OrdererSpec::new(msp, vec!["orderer.example.com:7050".into()], vec![consenter]);
        ChannelSpec::new("mychannel", organizations, orderer)
    }

    pub(crate) fn admin(&self, index: usize) -> SigningIdentity {
        self.peers[index].user_identity("Admin").expect("loads")
    }

    pub(crate) fn client(&self, index: usize) -> SigningIdentity {
        self.peers[index].user_identity("User1").expect("loads")
    }

    pub(crate) fn peer(&self, index: usize) -> SigningIdentity {
        self.peers[index].node_identity("peer0").expect("loads")
    }
}

fn generate(root: &Path) -> Vec<Organization> {
    let specs = [
        cryptogen::OrgSpec::peers("org1.example.com", "Org1MSP"),
        cryptogen::OrgSpec::peers("org2.example.com", "Org2MSP"),
        cryptogen::OrgSpec::peers("org3.example.com", "Org3MSP"),
        cryptogen::OrgSpec::orderers("example.com", "OrdererMSP"),
    ];
    cryptogen::generate(root, &specs, None).expect("generates")
}

/// A channel of the consortium, and updates of it.
pub(crate) struct Case {
    pub(crate) consortium: Consortium,
    pub(crate) bundle: Bundle,
}

impl Case {
    pub(crate) fn new() -> Self {
        let consortium = Consortium::new();
        let bundle = Bundle::from_block(&genesis_block(&consortium.spec()).expect("makes")).expect("reads");
        Self { consortium, bundle }
    }

    pub(crate) fn update(&self, change: impl Fn(&mut ConfigGroup)) -> ConfigUpdate {
        let original = self.bundle.config();
        let mut updated = original.clone();
        change(updated.channel_group.as_mut().expect("is there"));
        compute_update("mychannel", original, &updated).expect("differs")
    }

    pub(crate) fn propose(
        &self,
        update: &ConfigUpdate,
        signers: &[&SigningIdentity],
    ) -> Result<ConfigEnvelope, ChannelError> {
        self.bundle
            .propose_update(&sign_update(update, signers).expect("signs"))
    }
}

pub(crate) fn org<'a>(root: &'a mut ConfigGroup, parent: &str, name: &str) -> &'a mut ConfigGroup {
    root.groups
        .get_mut(parent)
        .expect(parent)
        .groups
        .get_mut(name)
        .expect(name)
}
