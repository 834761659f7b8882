//! A ticket is of no use beyond its access.

use super::*;

#[tokio::test]
async fn what_the_patient_takes_back_ends_a_download_at_its_next_range() {
    let world = World::open().await;
    let store = &world.files.store;
    let size = 66 << 20;
    let content = tokio::io::repeat(7).take(size);
    store.put(DOCUMENT, 1, "x", content).await.unwrap();
    let record = world.released(&world.server).await;
    let mut stream = record.content.stream();
    let first = stream.try_next().await.unwrap().expect("it begins");
    world.access.closed.store(true, Ordering::SeqCst);
    let mut read = first.len() as u64;
    let ended = loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => read += bytes.len() as u64,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(ended.is_err() && read < size, "{read} bytes came");
    let again = record.content.range(0..10).unwrap().try_next().await;
    assert!(again.is_err(), "key and ticket are of no use any more");
    let get = async || {
        let ticket = store
            .tickets()
            .give(&"aa".parse().unwrap(), DOCUMENT, 1, now(), now() + 60);
        let get = world.http().get(world.url(DOCUMENT, 1)).bearer_auth(ticket);
        get.header("range", "bytes=0-9").send().await.unwrap().status()
    };
    assert_eq!(get().await, 404, "as for a ticket that is none");
    world.access.peer_gone.store(true, Ordering::SeqCst);
    assert_eq!(
        get().await,
        503,
        "nothing goes out while the peer cannot be asked"
    );
    world.access.peer_gone.store(false, Ordering::SeqCst);
    world.access.closed.store(false, Ordering::SeqCst);
    let before = world.access.asked.load(Ordering::SeqCst);
    assert_eq!(get().await, 206);
    assert_eq!(
        world.access.asked.load(Ordering::SeqCst),
        before + 1,
        "one question"
    );
    // An erased file is not there for a ticket that still holds.
    store.erase(DOCUMENT).await.unwrap();
    assert_eq!(get().await, 404);
    world.server.stop().await;
}

/// As if every answer of the ledger were old at once: the file is asked for whole, and closed while it is sent.
#[tokio::test]
async fn what_the_patient_takes_back_ends_an_answer_under_way() {
    let world = World::open().await;
    let files = Files {
        idle: files::IDLE,
        ask_again: Duration::ZERO,
        ..world.files.clone()
    };
    let server = serve(&world.hospital, files.router()).await;
    let (store, size) = (&world.files.store, 66 << 20);
    let content = tokio::io::repeat(7).take(size);
    store.put(DOCUMENT, 1, "x", content).await.unwrap();
    let tx = "aa".parse().unwrap();
    let ticket = store.tickets().give(&tx, DOCUMENT, 1, now(), now() + 60);
    let url = format!("https://{}/v1/content/{DOCUMENT}/1", server.address());
    for closes in [&world.access.closed, &world.access.peer_gone] {
        let get = world.http().get(&url).bearer_auth(&ticket);
        let mut whole = get.send().await.unwrap();
        assert_eq!(whole.status(), StatusCode::OK);
        let mut read = whole.chunk().await.unwrap().expect("it begins").len() as u64;
        closes.store(true, Ordering::SeqCst);
        let ended = loop {
            match whole.chunk().await {
                Ok(Some(bytes)) => read += bytes.len() as u64,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(ended.is_err() && read < size, "{read} bytes came");
        closes.store(false, Ordering::SeqCst);
    }
    let whole = world.http().get(&url).bearer_auth(&ticket).send().await.unwrap();
    assert!(
        whole.bytes().await.unwrap().len() as u64 > size,
        "and goes on while it is open"
    );
    server.stop().await;
    world.server.stop().await;
}
