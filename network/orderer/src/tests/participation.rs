//! The API that `osnadmin` uses.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use fabric_protos::common::Block;
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::world::{CHANNEL, World, height};
use crate::{Cutting, Orderer};

const CHANNELS: &str = "/participation/v1/channels";

async fn call(orderer: &std::sync::Arc<Orderer>, request: Request<Body>) -> Response<Body> {
    orderer.participation().oneshot(request).await.expect("an answer")
}

async fn body(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body")
        .to_vec()
}

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_slice(&body(response).await).expect("JSON")
}

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .expect("a request")
}

fn upload(method: &str, key: &str, content: &[u8]) -> Request<Body> {
    let mut form = format!(
        "--limit\r\nContent-Disposition: form-data; name=\"{key}\"; filename=\"{key}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n--limit--\r\n");
    let kind = "multipart/form-data; boundary=limit";
    Request::builder()
        .method(method)
        .uri(CHANNELS)
        .header(header::CONTENT_TYPE, kind)
        .body(form.into())
        .expect("a request")
}

#[tokio::test]
async fn join_list_fetch_leave() {
    let world = World::new();
    let orderer = Orderer::open(world.config(Cutting::Immediate)).expect("opens");
    let listed = json_of(call(&orderer, request("GET", CHANNELS)).await).await;
    assert_eq!(listed, json!({ "systemChannel": null, "channels": [] }));

    let joined = call(
        &orderer,
        upload("POST", "config-block", &world.genesis.encode_to_vec()),
    )
    .await;
    assert_eq!(joined.status(), StatusCode::CREATED);
    assert_eq!(
        joined.headers()[header::LOCATION],
        format!("{CHANNELS}/{CHANNEL}")
    );
    let info = json!({
        "name": CHANNEL, "url": format!("{CHANNELS}/{CHANNEL}"), "consensusRelation": "consenter", "status": "active", "height": 1
    });
    assert_eq!(json_of(joined).await, info);

    let again = call(
        &orderer,
        upload("POST", "config-block", &world.genesis.encode_to_vec()),
    )
    .await;
    assert_eq!(again.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(again.headers()[header::ALLOW], "GET, DELETE");
    assert_eq!(
        json_of(again).await,
        json!({ "error": "cannot join: channel already exists" })
    );

    orderer.broadcast(world.message(b"x")).await.expect("taken");
    height(&orderer, 2).await;
    let one = json_of(call(&orderer, request("GET", &format!("{CHANNELS}/{CHANNEL}"))).await).await;
    assert_eq!(one["height"], 2);
    for (id, number) in [("newest", 1), ("oldest", 0), ("config", 0), ("1", 1)] {
        let fetched = call(
            &orderer,
            request("GET", &format!("{CHANNELS}/{CHANNEL}/blocks/{id}")),
        )
        .await;
        assert_eq!(fetched.status(), StatusCode::OK);
        let block = Block::decode(body(fetched).await.as_slice()).expect("a block");
        assert_eq!(block.header.expect("a header").number, number, "{id}");
    }

    let left = call(&orderer, request("DELETE", &format!("{CHANNELS}/{CHANNEL}"))).await;
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        call(&orderer, request("GET", &format!("{CHANNELS}/{CHANNEL}")))
            .await
            .status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_channel_that_is_being_removed_is_in_conflict() {
    let world = World::new();
    let orderer = world.start();
    orderer.hold_removal("health");
    let one = format!("{CHANNELS}/{CHANNEL}");
    let again = call(&orderer, request("DELETE", &one)).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(
        json_of(again).await,
        json!({ "error": "cannot remove: channel pending removal" })
    );
    let base = call(&orderer, request("GET", "/participation/v1/")).await;
    assert_eq!(base.status(), StatusCode::FOUND);
    assert_eq!(base.headers()[header::LOCATION], CHANNELS);
}

#[tokio::test]
async fn an_update_is_handed_over() {
    let world = World::new();
    let orderer = world.start();
    let update = |channel: &str, signer: &fabric_msp::SigningIdentity| {
        let config = orderer.bundle(CHANNEL).expect("the channel").config().clone();
        let mut edit = fabric_channel::ConfigEdit::new(channel, config).expect("a tree");
        edit.set_batch_timeout(std::time::Duration::from_secs(9))
            .expect("set");
        let update = fabric_channel::sign_update(&edit.update().expect("an update"), &[signer]);
        upload(
            "PUT",
            "config-update-envelope",
            &update.expect("signed").encode_to_vec(),
        )
    };
    let admin = world.orderer.user_identity("Admin").expect("an admin");
    let elsewhere = call(&orderer, update("other", &admin)).await;
    assert_eq!(elsewhere.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        json_of(elsewhere).await,
        json!({ "error": "cannot update: channel does not exist" })
    );
    let unsigned = call(&orderer, update(CHANNEL, &world.user)).await;
    assert_eq!(unsigned.status(), StatusCode::BAD_REQUEST);
    let error = json_of(unsigned).await["error"].to_string();
    assert!(error.contains("not satisfied"), "{error}");
    let taken = call(&orderer, update(CHANNEL, &admin)).await;
    assert_eq!(taken.status(), StatusCode::CREATED);
    height(&orderer, 2).await;
    let bundle = orderer.bundle(CHANNEL).expect("the channel");
    assert_eq!(bundle.orderer_config().batch_timeout.as_secs(), 9);
}

#[tokio::test]
async fn everything_else_is_refused_with_a_reason() {
    let world = World::new();
    let orderer = world.start();
    let one = format!("{CHANNELS}/{CHANNEL}");
    let mut altered = world.genesis.clone();
    altered.header.as_mut().expect("a header").data_hash[0] ^= 1;
    let mut damaged = world.genesis.clone();
    damaged.data.as_mut().expect("data").data[0].push(0);
    let plain = |path: &str| {
        Request::builder()
            .method("POST")
            .uri(path)
            .body(Body::empty())
            .expect("a request")
    };
    let picky = Request::builder()
        .uri(CHANNELS)
        .header(header::ACCEPT, "text/html")
        .body(Body::empty())
        .expect("a request");
    let cases = [
        (
            request("GET", &format!("{CHANNELS}/other")),
            404,
            "channel does not exist",
        ),
        (request("GET", &format!("{CHANNELS}/Upper")), 400, "Upper"),
        (
            request("DELETE", &format!("{CHANNELS}/other")),
            404,
            "cannot remove: channel does not exist",
        ),
        (request("GET", &format!("{one}/blocks/9")), 404, "block 9"),
        (
            request("GET", &format!("{one}/blocks/last")),
            400,
            "newest|oldest|config",
        ),
        (request("PATCH", &one), 405, "invalid request method: PATCH"),
        (plain(CHANNELS), 400, "unsupported Content-Type"),
        (upload("POST", "something", b"x"), 400, "config-block"),
        (
            upload("POST", "config-block", b"\xff\xff"),
            400,
            "cannot unmarshal",
        ),
        (
            upload("POST", "config-block", &altered.encode_to_vec()),
            400,
            "invalid join block: invalid block: Header.DataHash is different from Hash(block.Data)",
        ),
        (
            upload("POST", "config-block", &damaged.encode_to_vec()),
            400,
            "invalid join block: block is not a config block",
        ),
        (
            upload(
                "PUT",
                "config-update-envelope",
                &world.message(b"x").encode_to_vec(),
            ),
            400,
            "bad type",
        ),
        (picky, 406, "application/json only"),
    ];
    for (request, status, reason) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        let response = call(&orderer, request).await;
        assert_eq!(response.status().as_u16(), status, "{what}");
        let error = json_of(response).await["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(error.contains(reason), "{what}: {error}");
    }
}
