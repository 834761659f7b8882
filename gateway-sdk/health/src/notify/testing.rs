//! For tests alone: a webhook that reaches a server on this machine. Nothing that a person can configure leads here; no command calls it.

use std::net::SocketAddr;
use std::time::Duration;

use super::signature::WebhookSecret;
use super::webhook::{AllowedHost, Webhook, WebhookError};

/// A webhook like [`Webhook::new`]'s, whose host's name means `server`, an address of loopback, and whose attempts take at most `patience`. Every other rule stands: https, allowed destinations, a certificate that
/// holds for the name, no redirects.
pub fn webhook_on_loopback(
    url: &str,
    allowed: &[AllowedHost],
    secret: WebhookSecret,
    server: SocketAddr,
    patience: Duration,
) -> Result<Webhook, WebhookError> {
    let mut webhook = Webhook::unchecked(url, allowed, secret)?;
    webhook.loopback = true;
    webhook.patience = patience;
    webhook.resolve = std::sync::Arc::new(move |_, _| Box::pin(std::future::ready(Ok(vec![server]))));
    Ok(webhook)
}
