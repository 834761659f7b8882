//! A consortium is founded with what it held on another ledger.

use careledger_api::contracts::registry::MovedBodies;
use careledger_sdk::wallet::salt;

use super::Export;
use crate::Result;
use crate::health::{Established, Gateways, unless_duplicate};

/// Establishes the consortium of an export on its new channel, has every organisation declare the origin, and takes everything over. What was done before is
/// passed over, so that it can be done again after a failure. Collections without bodies in the export are not in use: their members take them over from their own.
pub async fn found(
    gateways: &Gateways,
    export: &Export,
    tell: &mut (dyn FnMut(Established) + Send),
) -> Result<()> {
    let contents = &export.contents;
    let (origin, consortium) = (&contents.origin, &contents.consortium);
    if consortium.channel != gateways.consortium().channel {
        return Err(format!(
            "the export is for channel {}, and this network has {}",
            consortium.channel,
            gateways.consortium().channel
        )
        .into());
    }
    if consortium.organisations != gateways.consortium().organisations {
        return Err("the export's consortium has other organisations than this network: let those that joined later join here again, afterwards".into());
    }
    let members: Vec<&str> = consortium
        .organisations
        .iter()
        .map(|o| o.msp_id.as_str())
        .collect();
    let first = *members
        .first()
        .ok_or("the export's consortium has no organisation")?;
    let mover = Mover {
        gateways,
        members: &members,
    };
    let admin = gateways.health_as(first, "Admin")?;
    let established = admin.registry().establish(consortium.clone()).send().await;
    if let Some(done) = unless_duplicate(established)? {
        let what = "the consortium is established".to_owned();
        tell(mover.everywhere(what, done.tx_id, done.block_number).await?);
    }
    for member in &members {
        let admin = gateways.health_as(member, "Admin")?;
        let declared = admin.registry().declare_origin(origin.clone()).send().await;
        if let Some(done) = unless_duplicate(declared)? {
            let what = format!("{member} declares what channel {} held", origin.channel);
            tell(mover.everywhere(what, done.tx_id, done.block_number).await?);
        }
    }
    let all = origin.public.len();
    for part in 0..all {
        let entries = export.public(part)?;
        let taken = admin.registry().take_over(part.try_into()?, entries).send().await;
        if let Some(done) = unless_duplicate(taken)? {
            let what = format!("public part {} of {all} is taken over", part + 1);
            tell(mover.everywhere(what, done.tx_id, done.block_number).await?);
        }
    }
    for (collection, parts) in &origin.collections {
        let Some(member) = contents.bodies.get(collection) else {
            continue;
        };
        let admin = gateways.health_as(member, "Admin")?;
        for part in 0..parts.len() {
            let bodies = MovedBodies {
                salt: salt(),
                entries: export.bodies(member, collection, part)?,
            };
            let taken = admin
                .registry()
                .take_over_bodies(collection.clone(), part.try_into()?, bodies)
                .send()
                .await;
            if let Some(done) = unless_duplicate(taken)? {
                let what = format!(
                    "part {} of {} of {collection} is taken over",
                    part + 1,
                    parts.len()
                );
                tell(mover.everywhere(what, done.tx_id, done.block_number).await?);
            }
        }
    }
    let settled = admin.registry().settle().send().await;
    if let Some(done) = unless_duplicate(settled)? {
        let what = "what was taken over is in use".to_owned();
        tell(mover.everywhere(what, done.tx_id, done.block_number).await?);
    }
    Ok(())
}

struct Mover<'a> {
    gateways: &'a Gateways,
    members: &'a [&'a str],
}

impl Mover<'_> {
    /// Waits until every member has the transaction: the next one builds on it, whoever endorses that.
    async fn everywhere(&self, what: String, tx_id: String, block: u64) -> Result<Established> {
        for member in self.members {
            self.gateways
                .health_as(member, "Admin")?
                .caught_up(&tx_id)
                .await?;
        }
        Ok(Established {
            what,
            tx_id,
            block,
            together: false,
        })
    }
}
