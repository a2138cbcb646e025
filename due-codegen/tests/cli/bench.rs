//! `cargo due bench`, against a gate and a node that run in this process.

use std::fs;
use std::process::{Command, Stdio};

use due::Codec;
use serde_json::Value;
use tempfile::TempDir;

use super::game::{Server, project};
use super::{Run, due, folder};

fn bench(url: &str, args: &[&str]) -> Run {
    due(&project(), &[&["bench", url], args].concat())
}

/// As [`bench`], with its report in JSON.
fn measured(url: &str, args: &[&str]) -> (Run, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let run = bench(url, &[args, &["--json", path.to_str().unwrap()]].concat());
    let text = fs::read_to_string(path).unwrap_or_else(|err| panic!("{err}: {}", run.text()));
    (run, serde_json::from_str(&text).unwrap())
}

fn scenario(text: &str) -> (TempDir, String) {
    let folder = folder(&[("load.toml", text)]);
    let path = folder.path().join("load.toml").display().to_string();
    (folder, path)
}

/// Every figure that stands alone becomes `0`, its unit of time `t`, and every gap two cells.
fn without_figures(text: &str) -> String {
    let line = |line: &str| {
        let figure = |word: &str| match word.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("0{}", word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')),
            false => word.to_owned(),
        };
        let words = line.split("  ").map(str::trim).filter(|words| !words.is_empty());
        let words = words.map(|words| words.split(' ').map(figure).collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("  ") + "\n"
    };
    let text: String = text.lines().map(line).collect();
    ["µs", "ms", "s"]
        .iter()
        .fold(text, |text, unit| text.replace(&format!("0 {unit} "), "0 t ").replace(&format!("0 {unit}\n"), "0 t\n"))
}

#[test]
fn a_scenario_logs_in_and_mixes_its_calls() {
    let server = Server::start(Codec::Json);
    let (_folder, path) = scenario(
        r#"
        connections = 4
        in_flight = 2
        duration = "700ms"
        [[login]]
        call = "LogIn"
        json = '{"uid": {{conn}}, "password": "secret"}'
        [[mix]]
        call = "Echo"
        weight = 3
        json = { name = "p{{conn}}-{{n}}", big = "{{random 1..6}}" }
        [[mix]]
        call = "WhoAmI"
        "#,
    );
    for scheme in ["ws", "tcp", "kcp"] {
        let (run, report) = measured(&server.url(scheme), &["--scenario", &path, "--codec", "json"]);
        assert_eq!(run.code, 0, "{scheme}: {}", run.text());
        let ended = |index: usize| report["calls"][index]["ended"].as_u64().unwrap();
        let share = ended(0) as f64 / (ended(0) + ended(1)) as f64;
        assert!(ended(1) > 20 && (0.6..0.9).contains(&share), "{scheme}: {}", run.text());
        assert_eq!((&report["total"]["errors"], &report["connections"]["most"]), (&Value::from(0), &Value::from(4)));
        let url = server.url(scheme);
        insta::assert_snapshot!("scenario", without_figures(&run.text().replace(&url, "URL")));
    }
}

#[test]
fn a_rate_is_kept() {
    let server = Server::start(Codec::Proto);
    let args = ["Echo", r#"{"name": "{{n}}"}"#, "--rate", "200", "--duration", "2s", "--connections", "3"];
    let (run, report) = measured(&server.url("tcp"), &args);
    assert_eq!(run.code, 0, "{}", run.text());
    // The first is due at once, and the last when two seconds are over.
    let ended = report["total"]["ended"].as_u64().unwrap();
    assert!((395..=500).contains(&ended), "{}", run.text());
    let points = report["timeline"].as_array().unwrap();
    assert!((10..=21).contains(&points.len()), "{points:?}");
}

#[test]
fn a_latency_counts_from_when_its_call_was_due() {
    let server = Server::start(Codec::Proto);
    // A thought takes 50 ms, so that of 100 calls in a second 20 can be answered, and the later ones wait for long.
    let args = ["Think", "--rate", "100", "--in-flight", "1", "--connections", "1", "--duration", "1s"];
    let (run, report) = measured(&server.url("tcp"), &args);
    assert_eq!(run.code, 0, "{}", run.text());
    let took = |name: &str| report["total"]["latency_us"][name].as_u64().unwrap();
    assert!(took("p50") > 1_000_000 && took("max") > 3_000_000, "{}", run.text());
    // In a closed loop nobody waits.
    let args = ["Think", "--connections", "1", "--duration", "1s"];
    let (run, report) = measured(&server.url("tcp"), &args);
    let ended = report["total"]["ended"].as_u64().unwrap();
    assert!((2..=21).contains(&ended), "{}", run.text());
}

#[test]
fn errors_are_counted_by_their_codes() {
    let server = Server::start(Codec::Proto);
    let (_folder, path) = scenario(
        r#"
        duration = "300ms"
        connections = 2
        [[mix]]
        call = "LogIn"
        json = '{"uid": {{conn}}}'
        [[mix]]
        call = "Fail"
        "#,
    );
    let html = tempfile::tempdir().unwrap();
    let page = html.path().join("report.html");
    let args = ["--scenario", &path, "--html", page.to_str().unwrap()];
    let (run, report) = measured(&server.url("ws"), &args);
    assert_eq!(run.code, 1, "{}", run.text());
    let mut errors: Vec<String> = (report["errors"].as_array().unwrap().iter())
        .map(|error| format!("{} {} {}: {}", error["call"], error["code"], error["name"], error["text"]))
        .collect();
    errors.sort();
    assert_eq!(
        errors,
        [
            r#""game.v1.Game/Fail" 42 "code 42": "the dice fell off the <table>""#,
            r#""game.v1.Game/LogIn" 101 "WRONG_PASSWORD": "that is not the password""#,
        ]
    );
    assert!(run.err.starts_with("failed: ") && run.err.ends_with(" errors, and 0 are allowed\n"), "{}", run.err);
    assert_eq!(bench(&server.url("ws"), &["--scenario", &path, "--max-errors", "100%"]).code, 0);

    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(page.contains("the dice fell off the &lt;table&gt;") && page.contains(" errors, and 0 are allowed"));
    for outside in ["src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn limits_decide_the_exit_code() {
    let server = Server::start(Codec::Proto);
    let url = server.url("tcp");
    let think = |limit: &str| bench(&url, &["Think", "--duration", "300ms", "--p50", limit]);
    assert_eq!(think("10s").code, 0);
    let run = think("10ms");
    assert_eq!(run.code, 1, "{}", run.text());
    assert!(run.err.starts_with("failed: p50 is ") && run.err.ends_with(", and 10.0 ms is allowed\n"), "{}", run.err);
    let run = bench(&server.url("ws"), &["Hang", "--duration", "300ms", "--timeout", "200ms", "--p99", "1s"]);
    assert_eq!(run.code, 1, "{}", run.text());
    assert!(run.out.contains("no answer in time"), "{}", run.text());
    assert!(run.err.contains("failed: p99 is unknown: no call was answered\n"), "{}", run.err);
}

#[test]
fn what_is_lost_opens_again() {
    let server = Server::start(Codec::Proto);
    let args = ["Leave", "--connections", "1", "--duration", "2s", "--rate", "20"];
    let (run, report) = measured(&server.url("ws"), &args);
    let lost = &report["connections"]["lost"];
    assert!(lost[0]["times"].as_u64().unwrap() >= 2, "{}", run.text());
    assert_eq!(lost[0]["why"], "closed by the server: bye");
}

#[test]
fn ctrl_c_ends_it_with_a_report() {
    let mut server = Server::start(Codec::Proto);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let child = Command::new(env!("CARGO_BIN_EXE_cargo-due"))
        .args(["bench", &server.url("ws"), "Echo", "--duration", "1h", "--json", path.to_str().unwrap()])
        .current_dir(project())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.until_echoes(100);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains(" s, then Ctrl-C\n") && out.contains("game.v1.Game/Echo"), "{out}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let report: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert!(report["total"]["ended"].as_u64().unwrap() >= 100);
}

#[test]
fn slips_are_found_before_anything_is_sent() {
    let files = folder(&[
        ("key.toml", "conections = 1\n"),
        ("span.toml", "duration = \"soon\"\n"),
        ("call.toml", "[[mix]]\ncall = \"Game/Eccho\"\n"),
        ("json.toml", "[[login]]\ncall = \"LogIn\"\njson = { user = 1 }\n[[mix]]\ncall = \"Echo\"\n"),
        ("placeholder.toml", "[[mix]]\ncall = \"Echo\"\njson = { name = \"{{con}}\" }\n"),
        ("nothing.toml", "connections = 1\n"),
    ]);
    let mut said = String::new();
    let mut names: Vec<_> = fs::read_dir(files.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = files.path().join(&name).display().to_string();
        let run = bench("tcp://127.0.0.1:1", &["--scenario", &path]);
        let text = run.text().replace(&format!("{}/", files.path().display()), "");
        said.push_str(&format!("$ {}\n{text}\n", name.display()));
    }
    for args in [
        &["Echo", "--rate", "0"][..],
        &["Echo", "--connections", "0"],
        &["Echo", "--json", "nowhere/report.json"],
        &["Echo", "--max-errors", "some"],
        &["--scenario", "nowhere.toml"],
    ] {
        said.push_str(&format!("$ {args:?}\n{}\n", bench("tcp://127.0.0.1:1", args).text()));
    }
    insta::assert_snapshot!("slips", said);
}

#[test]
fn without_a_gate_it_is_3() {
    let mut server = Server::start(Codec::Proto);
    let url = server.url("tcp");
    server.stop();
    let run = bench(&url, &["Echo", "--connections", "2"]);
    assert_eq!((run.code, run.out.as_str()), (3, ""), "{}", run.text());
    assert!(run.err.contains("2 times: cannot connect to tcp://"), "{}", run.err);
}

#[test]
fn a_login_that_is_refused_is_3() {
    let server = Server::start(Codec::Proto);
    let (_folder, path) = scenario("connections = 2\n[[login]]\ncall = \"LogIn\"\n[[mix]]\ncall = \"Echo\"\n");
    let run = bench(&server.url("tcp"), &["--scenario", &path]);
    assert_eq!(run.code, 3, "{}", run.text());
    let why = "2 times: game.v1.Game/LogIn answers 101 (WRONG_PASSWORD): that is not the password\n";
    assert!(run.err.contains(why), "{}", run.err);
}
