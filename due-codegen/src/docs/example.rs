//! How a route is called and a push is heard, in the names of the generated code.

use crate::model::{Model, NodeService};
use crate::naming::{camel, modules, snake};
use crate::open::{FieldItem, MessageItem, MethodItem, OpenModel, ServiceItem};
use crate::typescript::names;

/// Fields that an example fills in; the others are left to their defaults.
const MOST_FIELDS: usize = 3;

/// Characters of a line, as rustfmt breaks them.
const WIDEST: usize = 100;

/// Calls a route. Internal routes are called by other nodes, and have no TypeScript.
pub(super) fn call(
    model: &OpenModel,
    generated: &Model,
    service: &ServiceItem,
    method: &MethodItem,
) -> Option<(String, Option<String>)> {
    let node = node(generated, &service.full_name)?;
    let route = node.routes.iter().find(|route| route.full_name == method.full_name)?;
    let package = modules(&service.package).join("::");
    let path = |name: &str| if package.is_empty() { name.to_owned() } else { format!("{package}::{name}") };
    let (request_use, request) = request(model, &method.request);
    let client = if method.internal { &node.nodes_name } else { &node.client_name };
    let mut rust = String::new();
    let mut uses = vec![path(client)];
    uses.extend(request_use);
    uses.sort();
    for one in uses {
        rust.push_str(&format!("use {one};\n"));
    }
    let result = if method.oneway { "" } else { "let response = " };
    let make = if method.internal {
        rust.insert_str(0, "use due::NodeTarget;\n");
        format!("{client}::new(ctx.cluster())")
    } else {
        rust.insert_str(0, "use due::Client;\n");
        rust.push_str("\nlet client = Client::connect(\"ws://127.0.0.1:3553\").await?;");
        format!("{client}::new(client.clone())")
    };
    let to = match (method.internal, method.stateful) {
        (false, _) => "",
        (true, false) => "NodeTarget::Any, ",
        (true, true) => "NodeTarget::User(uid), ",
    };
    let call = format!("{}({to}{request})", route.client_method);
    let line = format!("{result}{make}.{call}.await?;");
    let line = if line.len() > WIDEST { format!("{result}{make}\n    .{call}\n    .await?;") } else { line };
    rust.push_str(&format!("\n{line}\n"));
    Some((rust, (!method.internal).then(|| typescript_call(model, service, method, &node.client_name))))
}

fn typescript_call(model: &OpenModel, service: &ServiceItem, method: &MethodItem, client: &str) -> String {
    let fields = fields(model, &method.request);
    let fields: Vec<String> = fields
        .iter()
        .filter_map(|field| {
            Some(format!("{}: {}", names::property(&names::json_name(&field.name)), typescript_value(field)?))
        })
        .take(MOST_FIELDS)
        .collect();
    let request = if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) };
    let result = if method.oneway { "" } else { "const response = " };
    let file = service.about.file.trim_end_matches(".proto");
    format!(
        "import {{ {client} }} from \"./gen/{file}_due\";\n\nconst {} = new {client}(client);\n{result}await {}.{}({request});\n",
        variable(&service.name),
        variable(&service.name),
        names::method(&method.name),
    )
}

/// Hears a push.
pub(super) fn push(message: &MessageItem) -> (String, String) {
    let name = rust_path(message);
    let short = name.rsplit("::").next().unwrap_or_default();
    let rust = format!(
        "use {name};\n\nlet mut pushes = client.pushes::<{short}>();\nwhile let Some(message) = pushes.next().await {{\n    let {short} {{ .. }} = message?;\n}}\n"
    );
    let file = message.about.file.trim_end_matches(".proto");
    let typescript = format!(
        "import {{ on{0} }} from \"./gen/{file}_due\";\n\nconst forget = on{0}(client, (message) => console.log(message));\n",
        message.name
    );
    (rust, typescript)
}

fn node<'a>(generated: &'a Model, full_name: &str) -> Option<&'a NodeService> {
    generated.packages.iter().flat_map(|package| &package.nodes).find(|node| node.full_name == full_name)
}

fn fields<'a>(model: &'a OpenModel, message: &str) -> Vec<&'a FieldItem> {
    let found = model.messages().find(|found| found.full_name == message);
    let plain = |field: &&FieldItem| field.oneof.is_none() && matches!(field.label, "single" | "optional" | "required");
    found.map(|found| found.fields.iter().filter(plain).collect()).unwrap_or_default()
}

/// What has to be imported for it, and the value.
fn request(model: &OpenModel, name: &str) -> (Option<String>, String) {
    let Some(message) = model.messages().find(|found| found.full_name == name) else {
        let unit = name == "google.protobuf.Empty";
        return (None, if unit { "()".to_owned() } else { "Default::default()".to_owned() });
    };
    let path = rust_path(message);
    let short = path.rsplit("::").next().unwrap_or_default().to_owned();
    let values: Vec<String> = fields(model, name)
        .iter()
        .filter_map(|field| {
            let value = rust_value(field)?;
            let value = if field.label == "optional" { format!("Some({value})") } else { value };
            Some(format!("{}: {value}", snake(&field.name)))
        })
        .take(MOST_FIELDS)
        .collect();
    let rest = values.len() < members(message);
    let text = match (values.is_empty(), rest) {
        (true, true) => format!("{short}::default()"),
        (true, false) => format!("{short} {{}}"),
        (false, true) => format!("{short} {{ {}, ..Default::default() }}", values.join(", ")),
        (false, false) => format!("{short} {{ {} }}", values.join(", ")),
    };
    (Some(path), text)
}

/// How many fields the Rust struct has: a oneof is one.
fn members(message: &MessageItem) -> usize {
    message.fields.iter().filter(|field| field.oneof.is_none()).count() + message.oneofs.len()
}

/// As `prost` names it: nested messages are in a module of the one around them.
fn rust_path(message: &MessageItem) -> String {
    let mut parts = modules(&message.package);
    let around = message.path.len().saturating_sub(1);
    parts.extend(message.path.iter().take(around).map(|name| snake(name)));
    parts.extend(message.path.last().map(|name| camel(name)));
    parts.join("::")
}

/// Only what is a value by itself.
fn rust_value(field: &FieldItem) -> Option<String> {
    Some(match field.r#type {
        "string" => format!("{:?}.into()", field.name),
        "bytes" => "vec![1, 2, 3].into()".to_owned(),
        "bool" => "true".to_owned(),
        "double" | "float" => "1.5".to_owned(),
        "message" | "enum" => return None,
        _ => "7".to_owned(),
    })
}

fn typescript_value(field: &FieldItem) -> Option<String> {
    Some(match field.r#type {
        "string" => format!("{:?}", field.name),
        "bytes" => "new Uint8Array([1, 2, 3])".to_owned(),
        "bool" => "true".to_owned(),
        "double" | "float" => "1.5".to_owned(),
        "message" | "enum" => return None,
        "int64" | "uint64" | "sint64" | "fixed64" | "sfixed64" => "7n".to_owned(),
        _ => "7".to_owned(),
    })
}

fn variable(service: &str) -> String {
    names::method(service)
}
