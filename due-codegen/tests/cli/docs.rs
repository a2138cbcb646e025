//! `cargo due docs`.

use std::fs;

use super::templates::LOBBY;
use super::{due, folder};

const HOSTILE: &str = r#"syntax = "proto3";
// <script>document.title = "owned"</script>
package h;
import "due/options.proto";
// </article></main><script>document.title = "owned"</script>
service S {
  option (due.node) = { name: "s" };
  // <img src=x onerror="document.title='owned'"> [x](javascript:document.title='owned')
  rpc Call(M) returns (M) { option (due.route) = { id: 1 }; }
}
// ```"><script>document.title='owned'</script>
// code
// ```
message M {
  option (due.event) = { topic: "<script>document.title='owned'</script>" };
  string a = 1; // </td><svg onload="document.title='owned'">
  E e = 2;
}
enum E {
  // <iframe srcdoc="<script>parent.document.title='owned'</script>"></iframe>
  E_0 = 0;
}
"#;

#[test]
fn a_small_schema_has_its_page() {
    let schema = r#"syntax = "proto3";
// Greetings.
package hello.v1;
import "due/options.proto";
service Greeter {
  option (due.node) = { name: "hello" };
  // Greet **somebody**.
  rpc Greet(GreetRequest) returns (GreetResponse) { option (due.route) = { id: 1 authorized: true }; }
}
message GreetRequest { string name = 1; /* how often */ int64 times = 2; }
message GreetResponse { int32 code = 1 [(due.code) = true]; }
message Waved { option (due.push) = { id: 2 }; map<string, Mood> moods = 1; }
enum Mood { MOOD_FINE = 0; }
"#;
    let project = folder(&[("due.toml", ""), ("proto/hello.proto", schema)]);
    let run = due(project.path(), &["docs", "--title", "Hello & <bye>"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    // The style and the script are files of their own.
    let (head, rest) = run.out.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (body, tail) = rest.split_once("<script>").unwrap();
    let (_, tail) = tail.split_once("</script>").unwrap();
    let head = without_hashes(head);
    insta::assert_snapshot!("page", format!("{head}<style></style>{body}<script></script>{tail}"));
    assert_eq!(due(project.path(), &["docs", "--title", "Hello & <bye>"]).out, run.out, "the same bytes");
    for fetched in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "http-equiv=\"refresh\""] {
        assert!(!run.out.contains(fetched), "{fetched}");
    }
}

/// Hashes change with every comma of the script.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split("'sha256-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "'sha256-.." + part.split_once('\'').map_or("", |(_, rest)| rest))
}

#[test]
fn a_comment_never_becomes_markup_that_runs() {
    let project = folder(&[("due.toml", ""), ("proto/h.proto", HOSTILE)]);
    let run = due(project.path(), &["docs"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let page = run.out.to_lowercase();
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (1, 1));
    for markup in ["<img", "<svg", "<iframe", "<b>", "href=\"javascript:", "</article></main><"] {
        assert!(!page.contains(markup), "{markup}");
    }
    // Of the package, of the service, and the topic twice.
    assert_eq!(page.matches("&lt;script&gt;document.title").count(), 4, "texts are shown");
    let body = page.split("<body>").nth(1).and_then(|body| body.split("<script>").next()).unwrap();
    let tags: Vec<&str> = body.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
    assert!(tags.len() > 100 && !tags.iter().any(|tag| tag.contains(" on")), "{tags:#?}");
}

#[test]
fn clients_see_what_they_may_know() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    let full = due(project.path(), &["docs"]).out;
    let client = due(project.path(), &["docs", "--view", "client"]).out;
    for name in ["lobby.v1.Lobby.Audit", "lobby.v1.Wallet", "lobby.v1.LoggedIn", ">login<"] {
        assert!(full.contains(name) && !client.contains(name), "{name}");
    }
    let audit = "use due::NodeTarget;\nuse lobby::v1::LobbyNodes;\nuse lobby::v1::seat::Place;\n\n\
                 let response = LobbyNodes::new(ctx.cluster()).audit(NodeTarget::Any, Place { row: 7 }).await?;\n";
    assert!(full.contains(audit) && !client.contains("LobbyNodes"), "{full}");
    // What remains leads to them.
    for name in
        ["lobby.v1.Lobby.Enter\"", "id=\"lobby.v1.Seat.Place\"", "id=\"lobby.v1.Code\"", "id=\"lobby.v1.Entered\""]
    {
        assert!(client.contains(name), "{name}");
    }
}

#[test]
fn every_link_leads_somewhere_on_the_page() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    for view in ["full", "client"] {
        let page = due(project.path(), &["docs", "--view", view]).out;
        let body = page.split("<script>").next().unwrap();
        let links: Vec<&str> = body.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() > 30, "{links:?}");
        for link in links {
            assert_eq!(body.matches(&format!("id=\"{link}\"")).count(), 1, "{view}: {link}");
        }
    }
}

#[test]
fn the_file_is_written_when_it_changes_and_a_persons_is_not() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    let docs = |extra: &[&str]| due(project.path(), &[&["docs", "--out", "site/docs.html"], extra].concat());
    let check = docs(&["--check"]);
    let stale = "`site/docs.html` is out of date: run `cargo due docs --out site/docs.html`\n";
    assert_eq!((check.code, check.err.as_str()), (1, stale));
    assert_eq!(docs(&[]).out, "new site/docs.html\n");
    assert_eq!(docs(&[]).out, "up to date: site/docs.html\n");
    assert_eq!(docs(&["--check"]).out, "up to date: site/docs.html\n");
    fs::write(project.path().join("proto/lobby.proto"), LOBBY.replace("Who enters", "Who comes in")).unwrap();
    assert_eq!(docs(&["--check"]).code, 1);
    assert_eq!(docs(&[]).out, "changed site/docs.html\n");
    fs::write(project.path().join("site/docs.html"), "<p>mine</p>\n").unwrap();
    let run = docs(&[]);
    let refused = "error: `site/docs.html` was not generated, so it is not overwritten\n";
    assert_eq!((run.code, run.err.as_str()), (1, refused));
    assert_eq!(due(project.path(), &["docs", "--check"]).code, 2);
}
