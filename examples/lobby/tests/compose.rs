//! `compose.yaml` and `Dockerfile` name what is there: commands, flags, variables, directories, versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use due::Etc;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    command: Vec<String>,
    build: Option<Build>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    depends_on: BTreeMap<String, Value>,
    #[serde(default)]
    volumes: Vec<String>,
}

#[derive(Deserialize)]
struct Build {
    context: String,
    dockerfile: String,
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(HERE).join(file)).unwrap()
}

fn compose() -> Compose {
    serde_saphyr::from_str(&read("compose.yaml")).unwrap()
}

/// Where the image has what this repository has in `etc/`.
fn local(dir: &str) -> std::path::PathBuf {
    let dir = dir.strip_prefix("/etc/lobby/").expect("where the Dockerfile copies it");
    Path::new(HERE).join("etc").join(dir)
}

#[test]
fn every_service_is_a_command_of_the_program() {
    let compose = compose();
    let ours: Vec<_> = compose.services.iter().filter(|(_, service)| service.image == "due-lobby").collect();
    let names: Vec<_> = ours.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["admin", "game", "gate-1", "gate-2", "login", "wallet"]);
    for (name, service) in ours {
        // What cannot be parsed before it is not helped.
        let mut command = Command::new(env!("CARGO_BIN_EXE_lobby"));
        let output = command.args(&service.command).arg("--help").envs(&service.environment).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));

        let build = service.build.as_ref().expect("it is built");
        assert!(Path::new(HERE).join(&build.context).join(&build.dockerfile).is_file(), "{name}");
        let others: Vec<_> = service.depends_on.keys().collect();
        assert_eq!(others, ["consul", "redis"], "{name}");
        assert!(others.iter().all(|other| compose.services.contains_key(*other)));
    }
    for service in compose.services.values() {
        for volume in &service.volumes {
            assert!(compose.volumes.contains_key(volume.split(':').next().unwrap()), "{volume}");
        }
    }
}

#[test]
fn every_variable_is_a_key() {
    for (name, service) in compose().services {
        let Some(dir) = service.environment.get("DUE_ETC") else { continue };
        for (variable, value) in &service.environment {
            let (host, _) = value.split_once(':').unwrap_or((value, ""));
            let fits = match variable.as_str() {
                "DUE_ETC" => host.starts_with("/etc/lobby/"),
                // Whoever starts the fleet has to choose it.
                "DUE_ETC_CLUSTER_MASTER_TOKEN" => value.starts_with("${LOBBY_TOKEN:?"),
                "DUE_ETC_CLUSTER_SECRET" => value.starts_with("${LOBBY_SECRET:?"),
                "DUE_ETC_CLUSTER_MASTER_ADDR" => host == "0.0.0.0",
                "LOBBY_STORE_REDIS" => host == "redis",
                variable => variable.starts_with("DUE_ETC_") && ["consul", "redis"].contains(&host),
            };
            assert!(fits, "{name}: {variable} is {value}");
        }
        let etc = Etc::from_dir_with(local(dir), service.environment).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(etc.warnings().is_empty(), "{name}: {:?}", etc.warnings());
    }
}

#[test]
fn both_directories_are_read_without_a_warning() {
    for (dir, is_in_memory) in [("memory", true), ("fleet", false)] {
        let etc = Etc::from_dir_with(local(&format!("/etc/lobby/{dir}")), []).unwrap();
        assert!(etc.warnings().is_empty(), "{dir}: {:?}", etc.warnings());
        assert_eq!(etc.is_in_memory(), is_in_memory, "{dir}");
        lobby::settings::Settings::load(&local(&format!("/etc/lobby/{dir}"))).unwrap();
    }
}

#[test]
fn the_image_is_built_with_the_oldest_rust_that_will_do() {
    let dockerfile = read("Dockerfile");
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-slim-bookworm AS build\n")), "{version}");
    let root = Path::new(HERE).join("../..");
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let source = line.split(' ').find(|word| !word.starts_with("--")).unwrap();
        assert!(line.starts_with("--from=build") || root.join(source).exists(), "{line}");
    }
}
