//! What another client of consul sees of our services, and writes for us to see.
//!
//! `read URL NAME` prints the services of a name as the catalog has them, and the checks of the agent. `write URL` registers
//! the service that comes as JSON on the standard input, and passes its check. `pass` and `deregister` take `URL ID`.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::stdin;

use consulrs::api::check::common::AgentServiceCheckBuilder;
use consulrs::api::service::requests::RegisterServiceRequest;
use consulrs::client::{ConsulClient, ConsulClientSettingsBuilder};
use consulrs::{catalog, check, service};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [command, url, rest @ ..] = &args[..] else { return Err("a command and a URL".into()) };
    let client = ConsulClient::new(ConsulClientSettingsBuilder::default().address(*url).build()?)?;
    match (*command, rest) {
        ("read", [name]) => read(&client, name).await,
        ("write", []) => write(&client, &serde_json::from_reader(stdin())?).await,
        ("pass", [id]) => Ok(drop(check::pass(&client, &format!("service:{id}"), None).await?)),
        ("deregister", [id]) => Ok(drop(service::deregister(&client, id, None).await?)),
        _ => Err(format!("unknown command {command}").into()),
    }
}

async fn read(client: &ConsulClient, name: &str) -> Result<(), Box<dyn Error>> {
    let services = catalog::nodes_with_service(client, name, None).await?.response;
    let services: Vec<Value> = services
        .into_iter()
        .map(|service| {
            let meta: BTreeMap<_, _> = service.service_meta.unwrap_or_default().into_iter().collect();
            json!({
                "id": service.service_id, "name": service.service_name, "address": service.service_address,
                "port": service.service_port, "meta": meta,
            })
        })
        .collect();
    let checks = check::list(client, None).await?.response;
    let checks: BTreeMap<_, _> =
        checks.into_iter().map(|(id, check)| (id, json!([check.status, check.output]))).collect();
    println!("{}", json!({"services": services, "checks": checks}));
    Ok(())
}

async fn write(client: &ConsulClient, wanted: &Value) -> Result<(), Box<dyn Error>> {
    let id = wanted["id"].as_str().ok_or("an id")?;
    let meta: HashMap<String, String> = serde_json::from_value(wanted["meta"].clone())?;
    let check_id = format!("service:{id}");
    let alive = AgentServiceCheckBuilder::default().check_id(check_id.as_str()).ttl("10s").build()?;
    let mut request = RegisterServiceRequest::builder();
    request.id(id).address(wanted["address"].as_str().ok_or("an address")?);
    request.port(wanted["port"].as_u64().ok_or("a port")?).meta(meta).checks(vec![alive]);
    service::register(client, wanted["name"].as_str().ok_or("a name")?, Some(&mut request)).await?;
    check::pass(client, &check_id, None).await?;
    Ok(())
}
