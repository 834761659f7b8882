//! Questions about a channel's ledger and configuration (`qscc`, `cscc`).

use fabric_protos::common::{Block, BlockchainInfo, Config};
use fabric_protos::peer::ProcessedTransaction;
use prost::Message;

use super::AdminError;
use crate::code::ValidationCode;
use crate::network::Network;

impl Network {
    /// The height of the ledger and the hashes of its last block.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused.
    pub async fn chain_info(&self) -> Result<BlockchainInfo, AdminError> {
        Ok(BlockchainInfo::decode(
            self.ask("qscc", "GetChainInfo", &[]).await?.as_slice(),
        )?)
    }

    /// A block by its number.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused or there is no such block.
    pub async fn block(&self, number: u64) -> Result<Block, AdminError> {
        let number = number.to_string();
        Ok(Block::decode(
            self.ask("qscc", "GetBlockByNumber", &[number.as_bytes()])
                .await?
                .as_slice(),
        )?)
    }

    /// A block by the hash of its header.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused or there is no such block.
    pub async fn block_by_hash(&self, hash: &[u8]) -> Result<Block, AdminError> {
        Ok(Block::decode(
            self.ask("qscc", "GetBlockByHash", &[hash]).await?.as_slice(),
        )?)
    }

    /// The block that holds a transaction.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused or there is no such transaction.
    pub async fn block_of_transaction(&self, transaction_id: &str) -> Result<Block, AdminError> {
        let answer = self
            .ask("qscc", "GetBlockByTxID", &[transaction_id.as_bytes()])
            .await?;
        Ok(Block::decode(answer.as_slice())?)
    }

    /// A committed transaction and the peers' verdict.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused or there is no such transaction.
    pub async fn transaction(
        &self,
        transaction_id: &str,
    ) -> Result<(ProcessedTransaction, ValidationCode), AdminError> {
        let answer = self
            .ask("qscc", "GetTransactionByID", &[transaction_id.as_bytes()])
            .await?;
        let transaction = ProcessedTransaction::decode(answer.as_slice())?;
        let code = transaction.validation_code.into();
        Ok((transaction, code))
    }

    /// The block with the channel's configuration in force.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused.
    pub async fn config_block(&self) -> Result<Block, AdminError> {
        Ok(Block::decode(
            self.ask("cscc", "GetConfigBlock", &[]).await?.as_slice(),
        )?)
    }

    /// The channel's configuration in force.
    ///
    /// # Errors
    /// [`AdminError`] if the question is refused.
    pub async fn config(&self) -> Result<Config, AdminError> {
        Ok(Config::decode(
            self.ask("cscc", "GetChannelConfig", &[]).await?.as_slice(),
        )?)
    }

    async fn ask(&self, chaincode: &str, function: &str, args: &[&[u8]]) -> Result<Vec<u8>, AdminError> {
        let contract = self.contract(chaincode);
        let mut call = contract.proposal(function).arg(self.name());
        for arg in args {
            call = call.arg(*arg);
        }
        // The gateway's own organisation answers: its copy is the one that the caller trusts.
        Ok(call
            .endorsing_organizations([self.gateway().msp_id()])
            .evaluate()
            .await?)
    }
}
