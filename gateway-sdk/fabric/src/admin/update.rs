//! Changing a channel's configuration: several administrators sign one update, one of them sends it.
//!
//! ```text
//! Network::config_edit ─edit─▶ ConfigEdit::update ─▶ ChannelUpdate ─sign (each administrator)─▶ Network::submit_update
//!                                                     └─▶ file ─▶ (elsewhere: sign) ─▶ file ─┘
//! ```

use fabric_protos::common::{
    ChannelHeader, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, Envelope, Header, HeaderType,
    Payload, SignatureHeader,
};
use fabric_protos::msp::SerializedIdentity;
use futures::StreamExt;
use prost::Message;

use super::{AdminError, OrdererClient};
use crate::gateway::Gateway;
use crate::network::Network;
use fabric_channel::ConfigEdit;

/// An update of a channel's configuration on its way from signer to signer.
///
/// Its bytes are those of `peer channel signconfigtx`'s files, so the official command may sign in between.
#[derive(Clone, Debug)]
pub struct ChannelUpdate {
    channel: String,
    signed: ConfigUpdateEnvelope,
}

impl ChannelUpdate {
    /// An update that nobody has signed (see [`ConfigEdit::update`]).
    #[must_use]
    pub fn new(update: &ConfigUpdate) -> Self {
        Self {
            channel: update.channel_id.clone(),
            signed: ConfigUpdateEnvelope {
                config_update: update.encode_to_vec(),
                signatures: Vec::new(),
            },
        }
    }

    /// Reads an update from a file, with the signatures that it has.
    ///
    /// # Errors
    /// [`AdminError::Decode`] when it is not an envelope with an update.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AdminError> {
        let envelope = Envelope::decode(bytes)?;
        let payload = Payload::decode(envelope.payload.as_slice())?;
        let signed = ConfigUpdateEnvelope::decode(payload.data.as_slice())?;
        let update = ConfigUpdate::decode(signed.config_update.as_slice())?;
        Ok(Self {
            channel: update.channel_id,
            signed,
        })
    }

    /// The update with its signatures as the content of a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let envelope = Envelope {
            payload: self.payload(Vec::new()).encode_to_vec(),
            signature: Vec::new(),
        };
        envelope.encode_to_vec()
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The update itself.
    ///
    /// # Errors
    /// [`AdminError::Decode`] when it is not one.
    pub fn update(&self) -> Result<ConfigUpdate, AdminError> {
        Ok(ConfigUpdate::decode(self.signed.config_update.as_slice())?)
    }

    /// The MSP ids of those who have signed, in the order of signing.
    ///
    /// # Errors
    /// [`AdminError::Decode`] when a signature is malformed.
    pub fn signers(&self) -> Result<Vec<String>, AdminError> {
        let msp_id = |signature: &ConfigSignature| {
            let header = SignatureHeader::decode(signature.signature_header.as_slice())?;
            Ok(SerializedIdentity::decode(header.creator.as_slice())?.mspid)
        };
        self.signed.signatures.iter().map(msp_id).collect()
    }

    /// Adds the signature of `administrator`'s identity. Nothing is sent.
    ///
    /// # Errors
    /// [`AdminError::Sign`].
    pub async fn sign(&mut self, administrator: &Gateway) -> Result<&mut Self, AdminError> {
        let signature_header = signature_header(administrator);
        let message = [signature_header.as_slice(), &self.signed.config_update].concat();
        let signature = administrator.sign(&message).await?;
        self.signed.signatures.push(ConfigSignature {
            signature_header,
            signature,
        });
        Ok(self)
    }

    /// The envelope for the orderer, sent by `sender`, who must be a writer of the channel and need not be an administrator.
    ///
    /// # Errors
    /// [`AdminError::Sign`].
    pub async fn envelope(&self, sender: &Gateway) -> Result<Envelope, AdminError> {
        let payload = self.payload(signature_header(sender)).encode_to_vec();
        let signature = sender.sign(&payload).await?;
        Ok(Envelope { payload, signature })
    }

    fn payload(&self, signature_header: Vec<u8>) -> Payload {
        let channel_header = ChannelHeader {
            r#type: HeaderType::ConfigUpdate.into(),
            channel_id: self.channel.clone(),
            ..ChannelHeader::default()
        };
        Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec(),
                signature_header,
            }),
            data: self.signed.encode_to_vec(),
        }
    }
}

impl Network {
    /// Begins to edit the configuration in force.
    ///
    /// # Errors
    /// [`AdminError`] when the peer does not tell it.
    pub async fn config_edit(&self) -> Result<ConfigEdit, AdminError> {
        Ok(ConfigEdit::of_block(&self.config_block().await?)?)
    }

    /// Signs `edit`'s update as this gateway's caller and the `others`, sends it, and waits until this gateway's peer has it
    /// in force.
    ///
    /// # Errors
    /// As [`Network::submit_update`], and [`AdminError::Config`] when nothing was changed.
    pub async fn apply_edit(
        &self,
        orderer: &OrdererClient,
        edit: &ConfigEdit,
        others: &[Gateway],
    ) -> Result<(), AdminError> {
        let mut update = ChannelUpdate::new(&edit.update()?);
        update.sign(self.gateway()).await?;
        for other in others {
            update.sign(other).await?;
        }
        self.submit_update(orderer, &update).await
    }

    /// Sends a signed update to the orderer as this gateway's caller, and waits until this gateway's peer has it in force:
    /// at most as long as for a commit status.
    ///
    /// # Errors
    /// [`AdminError::Broadcast`] with Fabric's status and reason when the orderer refuses it, [`AdminError::NotInForce`] when
    /// the peer does not follow in time.
    pub async fn submit_update(
        &self,
        orderer: &OrdererClient,
        update: &ChannelUpdate,
    ) -> Result<(), AdminError> {
        let info = self.chain_info().await?;
        let sequence = self.config().await?.sequence;
        let envelope = update.envelope(self.gateway()).await?;
        orderer.broadcast(envelope).await?;
        let waited = tokio::time::timeout(
            self.gateway().deadlines().commit_status,
            self.configured(info.height, sequence),
        );
        waited.await.unwrap_or(Err(AdminError::NotInForce))
    }

    /// Returns once a configuration beyond `sequence` is in force at the peer, in block `from` or later.
    async fn configured(&self, from: u64, sequence: u64) -> Result<(), AdminError> {
        let mut blocks = self
            .filtered_block_events()
            .start_block(from)
            .stream()
            .await
            .map_err(AdminError::Events)?;
        while let Some(block) = blocks.next().await {
            let block = block.map_err(AdminError::Events)?;
            let config = block
                .filtered_transactions
                .iter()
                .any(|transaction| transaction.r#type == i32::from(HeaderType::Config));
            // The block is told of when its configuration is in force.
            if config && self.config().await?.sequence > sequence {
                return Ok(());
            }
        }
        Err(AdminError::NotInForce)
    }
}

fn signature_header(signer: &Gateway) -> Vec<u8> {
    let nonce: [u8; 24] = rand::random();
    SignatureHeader {
        creator: signer.creator().to_vec(),
        nonce: nonce.to_vec(),
    }
    .encode_to_vec()
}
