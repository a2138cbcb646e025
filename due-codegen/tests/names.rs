//! Schemas whose names meet in Rust: what we name ourselves gets out of the way, and keywords are spelled so that they
//! work. That the output compiles is what `tests/compile` shows; here every module has each name once.

use std::collections::BTreeSet;

use due_codegen::Builder;
use syn::Item;

#[test]
fn every_module_has_each_name_once() {
    let output = Builder::new().includes(["tests/names"]).render().unwrap();
    let files: Vec<&str> = output.files().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(files, ["_.rs", "mod.rs", "mod_.rs", "names.v1.rs", "self_.type.super_.gen.rs"]);
    for file in output.files() {
        let parsed = syn::parse_file(&file.contents).unwrap();
        check(&parsed.items, &file.path.display().to_string());
    }
}

#[test]
fn generated_names_give_way_to_messages() {
    let output = Builder::new().includes(["tests/names"]).render().unwrap();
    let text = &output.files().find(|file| file.path.ends_with("names.v1.rs")).unwrap().contents;
    for name in [
        "struct GreeterRoutes_",
        "struct GreeterClient_",
        "struct GreeterNodes_",
        "trait Lobby_",
        "trait Self_",
        "struct WalletClient_",
        "fn new_(",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

fn check(items: &[Item], module: &str) {
    let (mut types, mut values) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        let (space, ident) = match item {
            Item::Struct(item) => (&mut types, &item.ident),
            Item::Enum(item) => (&mut types, &item.ident),
            Item::Trait(item) => (&mut types, &item.ident),
            Item::Type(item) => (&mut types, &item.ident),
            Item::Mod(item) => (&mut types, &item.ident),
            Item::Const(item) if item.ident != "_" => (&mut values, &item.ident),
            Item::Static(item) => (&mut values, &item.ident),
            Item::Fn(item) => (&mut values, &item.sig.ident),
            _ => continue,
        };
        assert!(space.insert(ident.to_string()), "`{ident}` is twice in {module}");
    }
    for item in items {
        if let Item::Mod(inner) = item
            && let Some((_, items)) = &inner.content
        {
            check(items, &format!("{module}::{}", inner.ident));
        }
    }
}
