//! The channel participation API that `osnadmin` uses (`orderer/common/channelparticipation` of Fabric).
//!
//! ```text
//! GET    /participation/v1/channels                      all channels
//! POST   /participation/v1/channels                      join (multipart, config-block)
//! PUT    /participation/v1/channels                      update (multipart, config-update-envelope)
//! GET    /participation/v1/channels/{name}               one channel
//! DELETE /participation/v1/channels/{name}               leave
//! GET    /participation/v1/channels/{name}/blocks/{id}   newest, oldest, config or a number
//! ```

use std::sync::Arc;

use axum::extract::multipart::Multipart;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use fabric_channel::{Bundle, check_channel_id};
use fabric_deliver::Chain;
use fabric_ledger::block_data_hash;
use fabric_protos::common::{Block, Envelope};
use prost::Message;
use serde::Serialize;

use crate::error::OrdererError;
use crate::orderer::{ChannelInfo, Orderer};

const BASE: &str = "/participation/v1/";
const CHANNELS: &str = "/participation/v1/channels";
const CONFIG_BLOCK: &str = "config-block";
const CONFIG_UPDATE: &str = "config-update-envelope";
/// `ChannelParticipation.MaxRequestBodySize` of Fabric's `orderer.yaml`.
const MAX_BODY: usize = 1024 * 1024;

pub(crate) fn router(orderer: Arc<Orderer>) -> Router {
    let one = format!("{CHANNELS}/{{name}}");
    Router::new()
        .route(BASE, get(|| async { found(CHANNELS) }))
        .route(
            CHANNELS,
            get(list)
                .post(join)
                .put(update)
                .fallback(|method| not_allowed(method, "GET, POST, PUT")),
        )
        .route(
            &one,
            get(info)
                .delete(remove)
                .fallback(|method| not_allowed(method, "GET, DELETE")),
        )
        .route(
            &format!("{one}/blocks/{{id}}"),
            get(block).fallback(|method| not_allowed(method, "GET")),
        )
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(orderer)
}

/// The channel that a genesis block starts, when a node may join with it (`ValidateJoinBlock`).
pub(crate) fn channel_of_join_block(block: &Block) -> Result<String, OrdererError> {
    let refused = |reason: &str| OrdererError::JoinBlock(reason.to_owned());
    let (Some(header), Some(data)) = (&block.header, &block.data) else {
        return Err(refused("block is not a config block"));
    };
    if !fabric_channel::block::is_config(block) {
        return Err(refused("block is not a config block"));
    }
    if block
        .metadata
        .as_ref()
        .is_none_or(|metadata| metadata.metadata.is_empty())
    {
        return Err(refused("invalid block: does not have metadata"));
    }
    if block_data_hash(data)[..] != header.data_hash {
        return Err(refused(
            "invalid block: Header.DataHash is different from Hash(block.Data)",
        ));
    }
    if header.number != 0 {
        return Err(refused(
            "it is not block 0; this node has no other orderer to fetch earlier blocks from",
        ));
    }
    let bundle = Bundle::from_block(block).map_err(|error| OrdererError::JoinBlock(error.to_string()))?;
    if !bundle.has_application() {
        return Err(refused("invalid config: must contain application config"));
    }
    if bundle.orderer_config().consensus_type == "BFT" {
        return Err(refused(
            "its consensus type is BFT, which needs Fabric's own orderers; this node takes etcdraft with itself as consenter",
        ));
    }
    Ok(bundle.channel_id().to_owned())
}

#[derive(Serialize)]
struct ChannelList {
    #[serde(rename = "systemChannel")]
    system_channel: Option<ShortInfo>,
    channels: Vec<ShortInfo>,
}

#[derive(Serialize)]
struct ShortInfo {
    name: String,
    url: String,
}

#[derive(Serialize)]
struct FullInfo {
    name: String,
    url: String,
    #[serde(rename = "consensusRelation")]
    consensus_relation: &'static str,
    status: &'static str,
    height: u64,
}

impl From<ChannelInfo> for FullInfo {
    fn from(info: ChannelInfo) -> Self {
        let url = url(&info.name);
        Self {
            name: info.name,
            url,
            consensus_relation: "consenter",
            status: "active",
            height: info.height,
        }
    }
}

/// An answer other than success: `{"error": …}`.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

async fn list(State(orderer): State<Arc<Orderer>>, headers: HeaderMap) -> Result<Response, Failure> {
    accepts_json(&headers)?;
    let short = |info: ChannelInfo| ShortInfo {
        url: url(&info.name),
        name: info.name,
    };
    let channels = orderer.channels().into_iter().map(short).collect();
    Ok(uncached(Json(ChannelList {
        system_channel: None,
        channels,
    })))
}

async fn info(
    State(orderer): State<Arc<Orderer>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    accepts_json(&headers)?;
    valid(&name)?;
    Ok(uncached(Json(FullInfo::from(of(&orderer, &name)?))))
}

async fn join(State(orderer): State<Arc<Orderer>>, request: Request) -> Result<Response, Failure> {
    accepts_json(request.headers())?;
    let bytes = part(request, CONFIG_BLOCK).await?;
    let unreadable = |_| bad(format!("cannot unmarshal file part {CONFIG_BLOCK} into a block"));
    let block = Block::decode(bytes.as_slice()).map_err(unreadable)?;
    let runtime = tokio::runtime::Handle::current();
    let joined = tokio::task::spawn_blocking(move || {
        let _inside = runtime.enter();
        orderer.join(&block)
    })
    .await;
    match joined {
        Ok(Ok(info)) => Ok(created(info)),
        Ok(Err(OrdererError::ChannelExists)) => Ok(not_allowed_because(
            "cannot join: channel already exists".to_owned(),
            "GET, DELETE",
        )),
        Ok(Err(error @ OrdererError::JoinBlock(_))) => Err(bad(error.to_string())),
        Ok(Err(error)) => Err(cannot("join", &error)),
        Err(panicked) => Err(Failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot join: {panicked}"),
        )),
    }
}

async fn update(State(orderer): State<Arc<Orderer>>, request: Request) -> Result<Response, Failure> {
    accepts_json(request.headers())?;
    let bytes = part(request, CONFIG_UPDATE).await?;
    let unreadable = |_| {
        bad(format!(
            "cannot unmarshal file part {CONFIG_UPDATE} into an envelope"
        ))
    };
    let message = Envelope::decode(bytes.as_slice()).map_err(unreadable)?;
    let invalid = |reason: String| bad(format!("invalid config update envelope: {reason}"));
    let header = crate::filters::channel_header(&message).map_err(|error| invalid(error.to_string()))?;
    if crate::filters::classify(&header) != Ok(crate::filters::Class::ConfigUpdate) {
        return Err(invalid("bad type".to_owned()));
    }
    let Ok(info) = of(&orderer, &header.channel_id) else {
        return Ok(not_allowed_because(
            "cannot update: channel does not exist".to_owned(),
            "GET, POST, PUT",
        ));
    };
    orderer
        .broadcast(message)
        .await
        .map_err(|rejection| bad(format!("cannot update: {rejection}")))?;
    Ok(created(info))
}

async fn remove(
    State(orderer): State<Arc<Orderer>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    accepts_json(&headers)?;
    valid(&name)?;
    match tokio::task::spawn_blocking(move || orderer.remove(&name)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Err(error)) => Err(cannot("remove", &error)),
        Err(panicked) => Err(Failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot remove: {panicked}"),
        )),
    }
}

async fn block(
    State(orderer): State<Arc<Orderer>>,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    accepts_json(&headers)?;
    valid(&name)?;
    let chain = orderer
        .chain(&name)
        .ok_or_else(|| Failure(StatusCode::NOT_FOUND, "channel does not exist".to_owned()))?;
    let number = match id.as_str() {
        "newest" => chain.height().borrow().saturating_sub(1),
        "oldest" => 0,
        "config" => chain.last_config().unwrap_or_default(),
        number => number.parse().map_err(|_| {
            bad(format!(
                "invalid block ID: '{id}' not equal <newest|oldest|config|(number)>"
            ))
        })?,
    };
    let missing = |reason: String| Failure(StatusCode::NOT_FOUND, reason);
    let read = tokio::task::spawn_blocking(move || chain.read(number)).await;
    let block = read
        .map_err(|error| missing(error.to_string()))?
        .map_err(|error| missing(error.to_string()))?;
    Ok(uncached((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        block.encode_to_vec(),
    )))
}

/// The one file of a multipart form.
async fn part(request: Request, name: &str) -> Result<Vec<u8>, Failure> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Err(bad(format!("unsupported Content-Type: [{kind}]")));
    }
    let unreadable = |reason: String| bad(format!("cannot read form from request body: {reason}"));
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| unreadable(error.body_text()))?;
    let mut found = None;
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|error| unreadable(error.body_text()))?
    {
        if field.name() != Some(name) || found.is_some() {
            return Err(bad(if found.is_some() {
                "form contains too many parts".to_owned()
            } else {
                format!("form does not contains part key: {name}")
            }));
        }
        found = Some(
            field
                .bytes()
                .await
                .map_err(|error| unreadable(error.body_text()))?
                .to_vec(),
        );
    }
    found.ok_or_else(|| bad(format!("form does not contains part key: {name}")))
}

fn of(orderer: &Orderer, name: &str) -> Result<ChannelInfo, Failure> {
    let found = orderer.channels().into_iter().find(|info| info.name == name);
    found.ok_or_else(|| Failure(StatusCode::NOT_FOUND, "channel does not exist".to_owned()))
}

fn valid(name: &str) -> Result<(), Failure> {
    check_channel_id(name).map_err(|error| bad(error.to_string()))
}

fn accepts_json(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(());
    };
    let known = ["application/json", "application/*", "*/*"];
    if accept.is_empty() || known.iter().any(|kind| accept.contains(kind)) {
        Ok(())
    } else {
        Err(Failure(
            StatusCode::NOT_ACCEPTABLE,
            "response Content-Type is application/json only".to_owned(),
        ))
    }
}

fn url(name: &str) -> String {
    format!("{CHANNELS}/{name}")
}

fn bad(reason: String) -> Failure {
    Failure(StatusCode::BAD_REQUEST, reason)
}

/// The answer to a join or removal that the node refused.
fn cannot(what: &str, error: &OrdererError) -> Failure {
    let status = match error {
        OrdererError::NoChannel => StatusCode::NOT_FOUND,
        OrdererError::PendingRemoval => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    Failure(status, format!("cannot {what}: {error}"))
}

fn found(location: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

fn uncached(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn created(info: ChannelInfo) -> Response {
    let info = FullInfo::from(info);
    (
        StatusCode::CREATED,
        [(header::LOCATION, info.url.clone())],
        Json(info),
    )
        .into_response()
}

async fn not_allowed(method: Method, allowed: &'static str) -> Response {
    not_allowed_because(format!("invalid request method: {method}"), allowed)
}

fn not_allowed_because(reason: String, allowed: &'static str) -> Response {
    (
        [(header::ALLOW, allowed)],
        Failure(StatusCode::METHOD_NOT_ALLOWED, reason),
    )
        .into_response()
}
