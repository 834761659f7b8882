//! Docker Compose: the plugin of Docker (`docker compose`), or the program before it (`docker-compose` 1.29).

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fabric_render::ComposeFiles;

use super::patience::PAUSE;
use crate::Result;

/// What can be called, the newer one first.
const CANDIDATES: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
/// How much of a failed call's output is told.
const TOLD_LINES: usize = 20;
/// How long services may take to be healthy.
const HEALTHY: Duration = Duration::from_secs(120);

/// Compose on one network's files.
#[derive(Debug, Clone)]
pub struct Compose {
    program: &'static [&'static str],
    files: ComposeFiles,
}

impl Compose {
    /// Whichever Compose this machine has. Fails, saying what to install, if it has none.
    pub async fn find(files: &ComposeFiles) -> Result<Self> {
        let files = files.clone();
        tokio::task::spawn_blocking(move || {
            let program = CANDIDATES
                .into_iter()
                .find(|program| answers(program))
                .ok_or(
                    "neither `docker compose` nor `docker-compose` (1.29 or later) runs on this machine; install one, or start the embedded \
                     network: careledger network up --engine embedded",
                )?;
            Ok(Self { program, files })
        })
        .await?
    }

    /// Creates and starts what does not run yet.
    pub async fn up(&self) -> Result<()> {
        self.remove_volumes_container().await?;
        self.run(&["up", "-d", "--remove-orphans"]).await.map(drop)
    }

    /// Creates and starts one service, with a volume that the nodes' user may write.
    pub async fn up_one(&self, service: &str) -> Result<()> {
        self.remove_volumes_container().await?;
        self.run(&["up", "-d", service]).await.map(drop)
    }

    /// Removes the ended container that hands the volumes over. Everything depends on it, and Compose v2 stops what depends on a container that it has to
    /// replace, as it has to where another volume was added; one that is not there is only made.
    async fn remove_volumes_container(&self) -> Result<()> {
        self.run(&["rm", "--force", "--stop", "volumes"]).await.map(drop)
    }

    /// Stops and removes the containers; with `volumes` their ledgers, too.
    pub async fn down(&self, volumes: bool) -> Result<()> {
        let mut arguments = vec!["down", "--remove-orphans"];
        if volumes {
            arguments.push("--volumes");
        }
        self.run(&arguments).await.map(drop)
    }

    /// Hands the nodes' output on to this program's: of all, or of one; until interrupted with `follow`.
    pub async fn logs(&self, node: Option<&str>, follow: bool) -> Result<()> {
        let mut arguments = vec!["logs", "--tail", "200"];
        if follow {
            arguments.push("--follow");
        }
        arguments.extend(node);
        let mut command = self.command(&arguments);
        let status = tokio::task::spawn_blocking(move || command.status()).await??;
        if status.success() {
            return Ok(());
        }
        Err(format!("{} logs ended with {status}", self.program.join(" ")).into())
    }

    /// Waits until these services' containers call themselves healthy. Fails, naming it, with the first one that does not within two minutes.
    pub async fn healthy(&self, services: &[String]) -> Result<()> {
        let until = Instant::now() + HEALTHY;
        for service in services {
            loop {
                let container = self.run(&["ps", "-q", service]).await?;
                let container = container.trim().to_owned();
                let state = if container.is_empty() {
                    "not there".to_owned()
                } else {
                    health_of(&container).await?
                };
                if state == "healthy" {
                    break;
                }
                if Instant::now() > until {
                    let seconds = HEALTHY.as_secs();
                    return Err(format!(
                        "{service} is {state} after {seconds} s; see careledger network logs {service}"
                    )
                    .into());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Calls Compose with these words and gives what it printed. Fails with the last lines of what it said.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        let done = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output()).await??;
        self.check(&done, arguments)?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// The same with its input and output from and to elsewhere.
    pub async fn piped(&self, arguments: &[&str], stdin: Stdio, stdout: Stdio) -> Result<()> {
        let mut command = self.command(arguments);
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        let done = tokio::task::spawn_blocking(move || command.spawn()?.wait_with_output()).await??;
        self.check(&done, arguments)
    }

    /// Fails with the last lines of what a failed call said.
    fn check(&self, done: &std::process::Output, arguments: &[&str]) -> Result<()> {
        if done.status.success() {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&done.stderr);
        let lines: Vec<&str> = told.lines().collect();
        let last = lines
            .get(lines.len().saturating_sub(TOLD_LINES)..)
            .unwrap_or_default();
        Err(format!(
            "{} {} ended with {}:\n{}",
            self.program.join(" "),
            arguments.join(" "),
            done.status,
            last.join("\n")
        )
        .into())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.program.iter().map(OsString::from).collect::<Vec<_>>();
        let files = [
            (OsStr::new("--project-name"), OsStr::new(&self.files.project)),
            (OsStr::new("--file"), self.files.file.as_os_str()),
            (OsStr::new("--env-file"), self.files.env_file.as_os_str()),
        ];
        for (option, value) in files {
            words.extend([option.to_owned(), value.to_owned()]);
        }
        words.extend(arguments.iter().map(OsString::from));
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

/// What Docker's health check says of a container.
async fn health_of(container: &str) -> Result<String> {
    let mut command = Command::new("docker");
    command
        .args(["inspect", "--format", "{{.State.Health.Status}}", container])
        .stdin(Stdio::null());
    let asked = tokio::task::spawn_blocking(move || command.output()).await??;
    if !asked.status.success() {
        return Err(format!(
            "docker inspect: {}",
            String::from_utf8_lossy(&asked.stderr).trim()
        )
        .into());
    }
    Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
}

fn answers(program: &[&str]) -> bool {
    let Some((first, rest)) = program.split_first() else {
        return false;
    };
    Command::new(first)
        .args(rest)
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(program: &'static [&'static str]) -> Compose {
        Compose {
            program,
            files: ComposeFiles {
                file: "/srv/careledger/docker-compose.yaml".into(),
                env_file: "/srv/careledger/net/.env".into(),
                project: "careledger".to_owned(),
            },
        }
    }

    #[test]
    fn both_programs_get_the_same_words() {
        let files = "--project-name careledger --file /srv/careledger/docker-compose.yaml --env-file /srv/careledger/net/.env";
        for (program, first) in [
            (CANDIDATES[0], "docker compose "),
            (CANDIDATES[1], "docker-compose "),
        ] {
            let command = compose(program).command(&["up", "-d"]);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let line: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
            assert_eq!(line.join(" "), format!("{first}{files} up -d"));
        }
    }

    #[tokio::test]
    async fn a_failed_call_says_what_compose_said() {
        let fails = compose(&["sh", "-c", "echo first >&2; echo last >&2; exit 3"]);
        let error = fails.up().await.expect_err("fails").to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("first\nlast"), "{error}");
        compose(&["true"]).down(true).await.expect("runs");
        compose(&["true"]).logs(Some("peer0"), false).await.expect("runs");
    }
}
