//! How other commands ask a running embedded network for something: a socket in its directory, for whoever may enter that.
//!
//! A request is the text of a consortium file with further organisations; the answer is one line, `ok` or why not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fabric_node::{Network, NetworkConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::Result;

const SOCKET: &str = "control.sock";
/// No consortium file is longer.
const LONGEST: u64 = 1 << 20;
/// How long one side may take to say its part.
const PATIENCE: Duration = Duration::from_secs(60);
const DONE: &str = "ok";

/// The socket of a running network; removed when it is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Opens the socket in a network's directory. `None`, with a warning, where the system has no room for its path: the network runs without it then.
    pub fn open(dir: &Path) -> Option<Self> {
        let path = dir.join(SOCKET);
        // The directory is this process's, so what is there is left over.
        let opened = match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => bind(&path),
        };
        match opened {
            Ok(listener) => Some(Self { listener, path }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no organisation can be added while this network runs");
                None
            }
        }
    }

    /// The next request: the text, and where the answer goes. A connection that says nothing usable is passed over.
    pub async fn next(&self) -> (String, UnixStream) {
        loop {
            let heard = async {
                let (stream, _) = self.listener.accept().await?;
                let mut limited = stream.take(LONGEST);
                let mut text = String::new();
                let read = limited.read_to_string(&mut text);
                tokio::time::timeout(PATIENCE, read)
                    .await
                    .map_err(std::io::Error::other)??;
                Ok::<_, std::io::Error>((text, limited.into_inner()))
            };
            match heard.await {
                Ok(request) => return request,
                Err(error) => tracing::warn!(%error, "a request was not understood"),
            }
        }
    }
}

/// Whoever may connect has organisations added: the socket is its owner's, whatever the directory's mode and the process's mask are.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Drop for Control {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_file(&self.path);
    }
}

/// Does what a request asks, and answers it.
pub async fn serve(network: &mut Network, (text, mut stream): (String, UnixStream)) {
    let answer = match add(network, &text).await {
        Ok(()) => DONE.to_owned(),
        Err(error) => error.to_string(),
    };
    // Who asked may be gone; what was asked is done nevertheless.
    let _gone = stream.write_all(answer.as_bytes()).await;
}

async fn add(network: &mut Network, text: &str) -> Result<()> {
    let wanted = NetworkConfig::from_consortium_text(text)?;
    if wanted.channel != network.channel() {
        return Err(format!("channel {}, not {}", network.channel(), wanted.channel).into());
    }
    for organisation in wanted.organisations {
        if network.organisation(&organisation.msp_id).is_none() {
            network.add_organisation(organisation).await?;
        }
    }
    Ok(())
}

/// Asks the network that runs in `dir` to start the nodes of the organisations in a consortium file's text that it has not yet.
pub async fn ask(dir: &Path, consortium: &str) -> Result<()> {
    let mut stream = UnixStream::connect(dir.join(SOCKET)).await.map_err(|error| {
        format!(
            "no network runs in {} ({error}); start it: careledger network up --dir {}",
            dir.display(),
            dir.display()
        )
    })?;
    stream.write_all(consortium.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
    match answer.as_str() {
        DONE => Ok(()),
        "" => Err("the network ended before it answered; the same command goes on".into()),
        refused => Err(refused.into()),
    }
}
