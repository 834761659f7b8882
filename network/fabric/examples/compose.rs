//! Prints the compose file of the repository: `cargo run -p fabric-render --example compose > docker-compose.yaml`.

use fabric_node::NetworkConfig;
use fabric_render::{Plan, Services, compose};

fn main() -> Result<(), fabric_render::RenderError> {
    let plan = Plan::new(&NetworkConfig::health(), &Services::health())?;
    print!("{}", compose::repository_file(&plan));
    Ok(())
}
