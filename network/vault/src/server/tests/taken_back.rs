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
    assert_eq!(get().await, 206);
    // An erased file is not there for a ticket that still holds.
    store.erase(DOCUMENT).await.unwrap();
    assert_eq!(get().await, 404);
    world.server.stop().await;
}
