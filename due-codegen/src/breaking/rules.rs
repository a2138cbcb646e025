//! The rules: what stays, and what an old client would meet otherwise.

use crate::rule::Rule;

macro_rules! rules {
    ($($name:ident, $category:literal, $what:literal, $why:literal, $fix:literal;)*) => {
        $(pub(super) const $name: Rule = Rule {
            id: stringify!($name), category: $category, default: true, what: $what, why: $why, fix: $fix,
        };)*
        /// Every rule, in the order of `cargo due breaking --rules`.
        pub(super) static ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    ROUTE_REMOVED, "routes",
        "A route stays.",
        "An old client still sends it, and is answered that nobody serves it.",
        "Keep the rpc and mark it `option deprecated = true;` until no client sends it.";
    ROUTE_ID_CHANGED, "routes",
        "A route keeps its id.",
        "An old client sends the old id, which nobody serves any more.",
        "Give the route its id back; a route that does something else is a new rpc with a new id.";
    ID_REUSED, "routes",
        "An id that was ever shipped means the same for ever.",
        "An old client means the old route or push by it, and reads or writes another message.",
        "Take a new id: `cargo due id` names the next free one.";
    ROUTE_AUTHORIZED, "routes",
        "A route that anybody may send stays so.",
        "An old client sends it before it has logged in, and is refused from now on.",
        "Drop `authorized`, or add a new route that has it.";
    ROUTE_STATEFUL, "routes",
        "A route that any node answers stays so.",
        "An old client sends it while its user is bound to no node, and is refused from now on.",
        "Drop `stateful`, or add a new route that has it.";
    ROUTE_INTERNAL, "routes",
        "A route that clients may send stays so.",
        "Gates refuse it from clients from now on, old ones included.",
        "Drop `internal`, or add a new route for the servers.";
    ROUTE_ONEWAY, "routes",
        "A route that is answered stays so, and one that is not, too.",
        "An old client waits for a response that no longer comes, or gets one that it does not expect.",
        "Undo the change of `oneway`, or add a new route.";
    ROUTE_REQUEST_TYPE, "routes",
        "A route keeps its request type.",
        "An old client sends the old message, which is read as another.",
        "Add fields to the old request, or add a new route.";
    ROUTE_RESPONSE_TYPE, "routes",
        "A route keeps its response type.",
        "An old client reads the new response as the old message.",
        "Add fields to the old response, or add a new route.";
    PUSH_REMOVED, "routes",
        "A push stays.",
        "An old client waits for it, and shows what was true when the last one came.",
        "Keep the message with its `due.push`, and go on sending it until no client needs it.";
    PUSH_ID_CHANGED, "routes",
        "A push keeps its id.",
        "An old client listens to the old id, and ignores the new one.",
        "Give the push its id back.";
    EVENT_REMOVED, "servers",
        "An event stays.",
        "A server of the old version subscribes to a topic that nobody publishes to.",
        "Keep it until every server is of the new version.";
    EVENT_TOPIC_CHANGED, "servers",
        "An event keeps its topic.",
        "Servers of the old and the new version do not hear each other while they are replaced one by one.",
        "Give it its topic back, or publish both until every server is of the new version.";
    TOPIC_REUSED, "servers",
        "A topic that was ever shipped carries the same message for ever.",
        "A server of the old version reads another message under it.",
        "Take a new topic.";
    NODE_NAME_CHANGED, "servers",
        "A service keeps its node's name.",
        "Users bound under the old name are not found under the new one, and gates of the old version look for the old.",
        "Give the node its name back.";
    MESH_REMOVED, "servers",
        "A mesh service stays.",
        "A server of the old version looks for it, and finds nobody.",
        "Keep it until every server is of the new version.";
    MESH_NAME_CHANGED, "servers",
        "A mesh service keeps its name and its path.",
        "A server of the old version looks for the old name.",
        "Give the service its name back.";
    RPC_REMOVED, "servers",
        "An rpc of a mesh service stays.",
        "A server of the old version still calls it, and gets UNIMPLEMENTED.",
        "Keep the rpc until every server is of the new version.";
    RPC_TYPE, "servers",
        "An rpc of a mesh service keeps its types.",
        "A server of the old version sends and reads the old messages.",
        "Add fields to the old messages, or add a new rpc.";
    RPC_STREAMING, "servers",
        "An rpc of a mesh service keeps what it streams.",
        "A server of the old version sends or expects one message where there are many, or the other way round.",
        "Add a new rpc.";
    MESSAGE_REMOVED, "messages",
        "A message stays.",
        "What was stored or sent as this message, also within google.protobuf.Any, finds no type.",
        "Keep the message and mark it `option deprecated = true;`.";
    FIELD_REMOVED, "messages",
        "A field stays.",
        "An old client that reads it gets nothing; what it writes there is ignored.",
        "Keep the field and mark it `[deprecated = true]`, and go on filling it.";
    FIELD_NUMBER_CHANGED, "messages",
        "A field keeps its number.",
        "An old client reads and writes the old number, where there is nothing or something else.",
        "Give the field its number back.";
    FIELD_NUMBER_REUSED, "messages",
        "A number that was ever shipped means the same field for ever.",
        "An old client takes the new field for the old one.",
        "Take a number that was never used.";
    FIELD_TYPE, "messages",
        "A field keeps its type.",
        "An old client reads other values out of the same bytes or the same JSON, or cannot read them.",
        "Add a new field of the new type, and fill both.";
    FIELD_CARDINALITY, "messages",
        "A field stays single or repeated, required or not.",
        "An old client keeps the last of several values, or cannot read the message at all.",
        "Add a new field, and fill both.";
    FIELD_REQUIRED, "messages",
        "A message gets no new required field.",
        "An old client does not write it, so its messages are refused.",
        "Make the field optional.";
    FIELD_RENAMED, "messages",
        "A field keeps its name.",
        "An old client that speaks json or msgpack reads and writes the old name.",
        "Give the field its name back. If nobody speaks json or msgpack: `[breaking] ignore = [\"FIELD_RENAMED\"]`.";
    FIELD_JSON_NAME, "messages",
        "A field keeps its `json_name`.",
        "An old client that speaks json reads and writes the old name.",
        "Give the field its `json_name` back.";
    FIELD_ONEOF, "messages",
        "Fields that may be set together stay so, and those that may not, too.",
        "An old client sets both, and one is lost; or it looks at one only, while both are set.",
        "Move the field back, or add new ones.";
    FIELD_CODE, "messages",
        "The error code of a message and its text stay where they are.",
        "An old client looks for the error in the old field, and takes a failure for a success.",
        "Put `due.code` back, and go on filling the field.";
    ENUM_REMOVED, "enums",
        "An enum stays.",
        "An old client still sends its numbers.",
        "Keep the enum and mark it `option deprecated = true;`.";
    VALUE_REMOVED, "enums",
        "An enum value stays.",
        "An old client still sends it, and the server has no name for it.",
        "Keep the value and mark it `[deprecated = true]`.";
    VALUE_NUMBER_CHANGED, "enums",
        "An enum value keeps its number.",
        "An old client takes the old number for it, and the new one for something unknown.",
        "Give the value its number back.";
    VALUE_NUMBER_REUSED, "enums",
        "A number that was ever shipped means the same value for ever.",
        "An old client takes the new value for the old one.",
        "Take a number that was never used.";
    VALUE_RENAMED, "enums",
        "An enum value keeps its name.",
        "An old client that speaks json reads and writes the old name.",
        "Give the value its name back, or add the new name as an alias (`option allow_alias = true;`).";
    RESERVED_REMOVED, "messages",
        "What is reserved stays reserved.",
        "A number or name that an old client may still use can be taken for something new.",
        "Put it back into the `reserved` statement.";
    PACKET_CHANGED, "routes",
        "The packet keeps its form.",
        "An old client writes and reads fields of another width or order, so that no packet is understood.",
        "Undo the change of `[packet]` in `due.toml`.";
}
