//! The system chaincodes, and what an endorser refuses before it runs anything.

use fabric_msp::ca::{Ca, IssueRequest, Kind};
use fabric_protos::common::HeaderType;
use fabric_protos::lifecycle;
use fabric_protos::peer::SignedProposal;
use prost::Message;

use super::draft::Draft;
use super::steps::{put, script};
use super::{Beside, Edit, ORGS, SCRIPT};

impl Beside {
    /// Compares system chaincodes and refusals.
    pub(super) async fn system(&mut self) {
        self.qscc_and_cscc().await;
        self.lifecycle_questions().await;
        self.refusals().await;
    }

    async fn qscc_and_cscc(&mut self) {
        let user = self.user(ORGS[0]);
        let channel = self.channel.clone();
        let on = |chaincode: &str, args: &[&[u8]]| {
            Draft::new(&channel, chaincode, args.iter().map(|arg| arg.to_vec()).collect())
        };
        let name = channel.clone().into_bytes();
        let cases: Vec<(&str, &str, Vec<&[u8]>)> = vec![
            ("chain info", "qscc", vec![b"GetChainInfo", &name]),
            (
                "chain info of another channel",
                "qscc",
                vec![b"GetChainInfo", b"other"],
            ),
            ("chain info of nothing", "qscc", vec![b"GetChainInfo", b""]),
            ("no channel argument", "qscc", vec![b"GetChainInfo"]),
            ("no arguments", "qscc", vec![]),
            ("an unknown function", "qscc", vec![b"GetNothing", &name]),
            ("block 0", "qscc", vec![b"GetBlockByNumber", &name, b"0"]),
            (
                "a block without a number",
                "qscc",
                vec![b"GetBlockByNumber", &name],
            ),
            (
                "a block by a word",
                "qscc",
                vec![b"GetBlockByNumber", &name, b"one"],
            ),
            (
                "a block of the future",
                "qscc",
                vec![b"GetBlockByNumber", &name, b"99999"],
            ),
            (
                "a negative block",
                "qscc",
                vec![b"GetBlockByNumber", &name, b"-1"],
            ),
            (
                "a block by an unknown hash",
                "qscc",
                vec![b"GetBlockByHash", &name, b"hash"],
            ),
            ("a block by no hash", "qscc", vec![b"GetBlockByHash", &name, b""]),
            (
                "an unknown transaction",
                "qscc",
                vec![b"GetTransactionByID", &name, b"none"],
            ),
            (
                "a transaction without an id",
                "qscc",
                vec![b"GetTransactionByID", &name, b""],
            ),
            (
                "a block by an unknown transaction",
                "qscc",
                vec![b"GetBlockByTxID", &name, b"none"],
            ),
            (
                "too many arguments",
                "qscc",
                vec![b"GetChainInfo", &name, b"more"],
            ),
            (
                "the channel's configuration",
                "cscc",
                vec![b"GetChannelConfig", &name],
            ),
            (
                "another channel's configuration",
                "cscc",
                vec![b"GetChannelConfig", b"other"],
            ),
            (
                "the configuration of nothing",
                "cscc",
                vec![b"GetChannelConfig", b""],
            ),
            (
                "the configuration block of another channel",
                "cscc",
                vec![b"GetConfigBlock", b"other"],
            ),
            ("cscc without arguments", "cscc", vec![]),
            ("cscc with one argument", "cscc", vec![b"GetConfigBlock"]),
            ("an unknown function of cscc", "cscc", vec![b"Nothing", b"x"]),
            ("a join with junk", "cscc", vec![b"JoinChain", b"junk"]),
            ("a join with nothing", "cscc", vec![b"JoinChain", b""]),
            ("a join without a block", "cscc", vec![b"JoinChain"]),
            ("channels", "cscc", vec![b"GetChannels"]),
        ];
        for (case, chaincode, args) in cases {
            self.simulate(case, &on(chaincode, &args), &user, &ORGS[..1])
                .await;
        }
        let admin = self.admin(ORGS[0]);
        let genesis = self.theirs.block(ORGS[0], 0).await;
        for (case, args) in [
            ("channels without a channel", vec![b"GetChannels".to_vec()]),
            (
                "a join again",
                vec![b"JoinChain".to_vec(), genesis.encode_to_vec()],
            ),
            (
                "a join with junk, by an admin",
                vec![b"JoinChain".to_vec(), b"junk".to_vec()],
            ),
        ] {
            let draft = Draft::new("", "cscc", args);
            self.simulate(case, &draft, &admin, &ORGS[..1]).await;
            self.simulate(&format!("{case}, by a user"), &draft, &user, &ORGS[..1])
                .await;
        }
        let config = Draft {
            header_type: HeaderType::Config,
            ..Draft::new("", "cscc", vec![b"GetChannels".to_vec()])
        };
        self.simulate("channels in a CONFIG header", &config, &user, &ORGS[..1])
            .await;
    }

    async fn lifecycle_questions(&mut self) {
        let admin = self.admin(ORGS[0]);
        let user = self.user(ORGS[0]);
        let channel = self.channel.clone();
        let named = |name: &str| {
            lifecycle::QueryChaincodeDefinitionArgs {
                name: name.to_owned(),
            }
            .encode_to_vec()
        };
        let approved = |name: &str, sequence| {
            lifecycle::QueryApprovedChaincodeDefinitionArgs {
                name: name.to_owned(),
                sequence,
            }
            .encode_to_vec()
        };
        let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
            (
                "a definition",
                vec![b"QueryChaincodeDefinition".to_vec(), named(SCRIPT)],
            ),
            (
                "an unknown definition",
                vec![b"QueryChaincodeDefinition".to_vec(), named("unknown")],
            ),
            (
                "a definition without a name",
                vec![b"QueryChaincodeDefinition".to_vec(), named("")],
            ),
            (
                "all definitions",
                vec![b"QueryChaincodeDefinitions".to_vec(), Vec::new()],
            ),
            (
                "what is approved",
                vec![b"QueryApprovedChaincodeDefinition".to_vec(), approved(SCRIPT, 0)],
            ),
            (
                "what is approved at 1",
                vec![b"QueryApprovedChaincodeDefinition".to_vec(), approved(SCRIPT, 1)],
            ),
            (
                "what is approved at 5",
                vec![b"QueryApprovedChaincodeDefinition".to_vec(), approved(SCRIPT, 5)],
            ),
            (
                "what is approved of nothing",
                vec![
                    b"QueryApprovedChaincodeDefinition".to_vec(),
                    approved("unknown", 0),
                ],
            ),
            (
                "all that is approved",
                vec![b"QueryApprovedChaincodeDefinitions".to_vec(), Vec::new()],
            ),
            ("an unknown function", vec![b"Nothing".to_vec(), Vec::new()]),
            (
                "a function without its argument",
                vec![b"QueryChaincodeDefinitions".to_vec()],
            ),
            (
                "a function with two arguments",
                vec![b"QueryChaincodeDefinitions".to_vec(), Vec::new(), Vec::new()],
            ),
            ("no function", vec![]),
            (
                "junk for an argument",
                vec![b"QueryChaincodeDefinition".to_vec(), b"\xff\xff".to_vec()],
            ),
            (
                "a reply of readiness to nothing",
                vec![b"CheckCommitReadiness".to_vec(), Vec::new()],
            ),
            (
                "an approval of nothing",
                vec![b"ApproveChaincodeDefinitionForMyOrg".to_vec(), Vec::new()],
            ),
            (
                "a commit of nothing",
                vec![b"CommitChaincodeDefinition".to_vec(), Vec::new()],
            ),
        ];
        for (case, args) in cases {
            let draft = Draft::new(&channel, "_lifecycle", args);
            self.simulate(&format!("lifecycle: {case}"), &draft, &admin, &ORGS[..1])
                .await;
            self.simulate(
                &format!("lifecycle: {case}, by a user"),
                &draft,
                &user,
                &ORGS[..1],
            )
            .await;
        }
        for (case, name, version, sequence) in [
            ("a bad name", "no/name", "1", 1),
            ("an empty version", "name", "", 1),
            ("a bad version", "name", "1/2", 1),
            ("a system chaincode's name", "qscc", "1", 1),
            ("sequence 0", "name", "1", 0),
            ("a negative sequence", "name", "1", -1),
        ] {
            let args = lifecycle::ApproveChaincodeDefinitionForMyOrgArgs {
                name: name.to_owned(),
                version: version.to_owned(),
                sequence,
                ..Default::default()
            };
            let draft = Draft::system(
                &channel,
                "_lifecycle",
                "ApproveChaincodeDefinitionForMyOrg",
                &args,
            );
            self.simulate(&format!("lifecycle: {case}"), &draft, &admin, &ORGS[..1])
                .await;
        }
    }

    async fn refusals(&mut self) {
        let user = self.user(ORGS[0]);
        let channel = self.channel.clone();
        let draft = || Draft::new(&channel, SCRIPT, script([put("", "k", "1")]));
        let edits: [Edit<'_, Draft>; 14] = [
            ("an unknown channel", &|draft| {
                draft.channel = "unknown".to_owned()
            }),
            ("no channel", &|draft| draft.channel.clear()),
            ("an unknown chaincode", &|draft| {
                draft.chaincode = "unknown".to_owned()
            }),
            ("no chaincode", &|draft| draft.chaincode.clear()),
            ("a chaincode with a bad name", &|draft| {
                draft.chaincode = "no/name".to_owned()
            }),
            ("another transaction id", &|draft| {
                draft.tx_id = Some("0".repeat(64))
            }),
            ("no transaction id", &|draft| draft.tx_id = Some(String::new())),
            ("an empty nonce", &|draft| draft.nonce.clear()),
            ("an epoch", &|draft| draft.epoch = 1),
            ("type MESSAGE", &|draft| draft.header_type = HeaderType::Message),
            ("type CONFIG", &|draft| draft.header_type = HeaderType::Config),
            ("a time long ago", &|draft| draft.ahead = -3600),
            ("a time to come", &|draft| draft.ahead = 3600),
            ("junk for an extension", &|draft| {
                draft.extension = Some(b"\xffjunk".to_vec())
            }),
        ];
        for (case, edit) in edits {
            let mut draft = draft();
            edit(&mut draft);
            self.simulate(&format!("refused: {case}"), &draft, &user, &ORGS[..1])
                .await;
        }
        let mut no_extension = draft();
        no_extension.extension = Some(Vec::new());
        self.simulate("refused: no extension", &no_extension, &user, &ORGS[..1])
            .await;

        let mut signed = draft().signed(&user);
        *signed.signature.last_mut().expect("a signature") ^= 1;
        self.proposed("refused: a wrong signature", &signed, &ORGS[..1])
            .await;
        signed.signature = b"junk".to_vec();
        self.proposed("refused: junk for a signature", &signed, &ORGS[..1])
            .await;
        signed.signature.clear();
        self.proposed("refused: no signature", &signed, &ORGS[..1]).await;
        for (case, bytes) in [("nothing", Vec::new()), ("junk", b"\xffjunk".to_vec())] {
            let signed = SignedProposal {
                proposal_bytes: bytes.clone(),
                signature: user.sign(&bytes).expect("signs"),
            };
            self.proposed(&format!("refused: {case} for a proposal"), &signed, &ORGS[..1])
                .await;
        }
        let peer = self.peer(ORGS[0]);
        self.simulate("a proposal by a peer", &draft(), &peer, &ORGS[..1])
            .await;
        let orderer = self.orderer_admin();
        self.simulate(
            "refused: a proposal by the orderer's admin",
            &draft(),
            &orderer,
            &ORGS[..1],
        )
        .await;
        let stranger = stranger();
        self.simulate(
            "refused: an unknown organisation",
            &draft(),
            &stranger,
            &ORGS[..1],
        )
        .await;
        let nameless =
            fabric_gateway_sdk::SigningIdentity::from_pem(ORGS[0], &stranger_parts().0, &stranger_parts().1);
        if let Ok(pretender) = nameless {
            self.simulate("refused: a pretender", &draft(), &pretender, &ORGS[..1])
                .await;
        }
        let expired = self.expired();
        self.simulate("refused: an expired certificate", &draft(), &expired, &ORGS[..1])
            .await;
    }

    /// The orderer organisation's administrator.
    pub(super) fn orderer_admin(&self) -> fabric_gateway_sdk::SigningIdentity {
        let orderer = &self.theirs.members().summary().orderer;
        fabric_gateway_sdk::SigningIdentity::from_msp_dir(&orderer.users["Admin"], &orderer.msp_id)
            .expect("the orderer's administrator")
    }

    /// A user of Org1 whose certificate has expired.
    pub(super) fn expired(&self) -> fabric_gateway_sdk::SigningIdentity {
        let tree = self.network.organisation(ORGS[0]).expect("a member");
        let ca = tree.ca().expect("the CA's key");
        let expired = IssueRequest {
            not_before: Some(1_735_700_000),
            not_after: Some(1_735_800_000),
            ..request("User9@org1.example.com")
        };
        let issued = ca.issue(&expired).expect("issued");
        fabric_gateway_sdk::SigningIdentity::from_pem(
            ORGS[0],
            issued.certificate_pem.as_bytes(),
            issued.key_pem.as_bytes(),
        )
        .expect("usable")
    }
}

/// Somebody of an organisation that the channel does not know.
pub(super) fn stranger() -> fabric_gateway_sdk::SigningIdentity {
    let (certificate, key) = stranger_parts();
    fabric_gateway_sdk::SigningIdentity::from_pem("StrangerMSP", &certificate, &key).expect("usable")
}

fn stranger_parts() -> (Vec<u8>, Vec<u8>) {
    let ca = Ca::new("ca.stranger.example.com", "stranger.example.com", None).expect("a CA");
    let issued = ca.issue(&request("User1@stranger.example.com")).expect("issued");
    (issued.certificate_pem.into_bytes(), issued.key_pem.into_bytes())
}

fn request(name: &str) -> IssueRequest {
    IssueRequest {
        common_name: name.to_owned(),
        kind: Kind::Client,
        ..IssueRequest::default()
    }
}
