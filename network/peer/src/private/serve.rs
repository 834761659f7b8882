//! The receiving side: keeping what another peer hands over, and answering those who lack something.

use fabric_protos::rwset::TxPvtReadWriteSet;

use super::{Pull, Push, collections_of, filtered, keeps, may_have};
use crate::{Peer, PeerError};

impl Peer {
    /// Keeps private values that another peer endorsed, until their transaction is committed. They are on disk when
    /// this returns: it blocks.
    ///
    /// # Errors
    /// [`PeerError::UnknownChannel`]; [`PeerError::PrivateData`] for values of a collection that this peer's
    /// organisation is no member of, so that a careless sender does not make it keep them; [`PeerError::Ledger`].
    pub fn receive_private_data(&self, push: Push) -> Result<(), PeerError> {
        let channel = self
            .channel(&push.channel_id)
            .ok_or(PeerError::UnknownChannel(push.channel_id))?;
        let set = push.data.pvt_rwset.unwrap_or_default();
        let state = channel.ledger().query();
        let own = channel
            .view()
            .bundle()
            .msps()
            .identity(self.signer().serialized())?;
        for (namespace, collection) in collections_of(&set) {
            if !keeps(&channel, namespace, collection, &own, &state)? {
                let why = format!("{} is no member of {namespace}/{collection}", self.msp_id());
                return Err(PeerError::PrivateData(why));
            }
        }
        // A slow endorser's values come after the block: they were asked for meanwhile, or will be.
        if channel.ledger().tx_exists(&push.tx_id)? {
            return Ok(());
        }
        let transient = channel.ledger().transient();
        Ok(transient.persist(&push.tx_id, channel.height(), set)?)
    }

    /// The private values of a transaction that the asking peer may have and this peer has. What expired or was purged
    /// is not among them. It reads from the disk: it blocks.
    ///
    /// # Errors
    /// [`PeerError::UnknownChannel`]; [`PeerError::Msp`] when the asking peer is no member of the channel;
    /// [`PeerError::Ledger`].
    pub fn serve_private_data(&self, pull: &Pull) -> Result<TxPvtReadWriteSet, PeerError> {
        let channel = self
            .channel(&pull.channel_id)
            .ok_or_else(|| PeerError::UnknownChannel(pull.channel_id.clone()))?;
        let requester = channel.view().bundle().msps().valid_identity(&pull.requester)?;
        let state = channel.ledger().query();
        let mut allowed = Vec::new();
        for name in &pull.collections {
            if may_have(&channel, &name.0, &name.1, &requester, &state)? {
                allowed.push(name);
            }
        }
        let mut sources = channel.ledger().transient().sets(&pull.tx_id);
        if channel.height() > pull.block {
            let committed = channel.ledger().private_data(pull.block)?;
            sources.extend(
                committed
                    .into_iter()
                    .filter(|found| found.tx == pull.index)
                    .map(|found| found.set),
            );
        }
        let mut answer = TxPvtReadWriteSet::default();
        for source in sources {
            let part = filtered(source, |namespace, collection, _| {
                allowed
                    .iter()
                    .any(|name| name.0 == namespace && name.1 == collection)
            });
            answer.ns_pvt_rwset.extend(part.ns_pvt_rwset);
        }
        Ok(answer)
    }
}
