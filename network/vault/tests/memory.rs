//! A long content through server and client, both in this process: what it needs of memory does not grow with the content. A test file of its own,
//! since the peak is the whole process'.
#![cfg(target_os = "linux")]

mod long_content;

use careledger_sdk::sealing::KemKeyPair;

use self::long_content::{Client, DOCUMENT, FIRST, Memory, Result, drain, found, serve};

/// Bytes of the content: many times what both ends may hold.
const SIZE: u64 = 256 << 20;
/// What both ends may hold together, KiB.
const MOST: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_content_goes_both_ways_and_in_part_without_being_held() -> Result<()> {
    let (dir, kem) = (tempfile::tempdir()?, KemKeyPair::generate());
    found(dir.path())?;
    let server = serve(dir.path(), kem.public()).await?;
    let client = Client::new(dir.path(), &server.address().to_string())?;
    client.upload(FIRST, 1 << 20).await?;

    let memory = Memory::begin("self")?;
    client.upload(DOCUMENT, SIZE).await?;
    within(&memory, "uploaded")?;
    let record = client.released(&kem).await?;
    let memory = Memory::begin("self")?;
    assert_eq!(drain(record.stream()).await?, SIZE);
    within(&memory, "fetched")?;
    let range = SIZE / 4 + 1..SIZE - 7;
    let memory = Memory::begin("self")?;
    let read = drain(record.range(range.clone())?).await?;
    assert_eq!(read, range.end - range.start);
    within(&memory, "a range of it fetched")?;
    server.stop().await;
    Ok(())
}

fn within(memory: &Memory, what: &str) -> Result<()> {
    let (idle, grown) = memory.end()?;
    assert!(grown <= MOST, "{what}: {grown} KiB above {idle} KiB idle");
    Ok(())
}
