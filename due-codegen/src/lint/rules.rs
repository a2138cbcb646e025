//! The rules: names, layout, ids, comments.

use crate::rule::Rule;

macro_rules! rules {
    ($($name:ident, $category:literal, $default:literal, $what:literal, $why:literal, $fix:literal;)*) => {
        $(pub(super) const $name: Rule = Rule {
            id: stringify!($name), category: $category, default: $default, what: $what, why: $why, fix: $fix,
        };)*
        /// Every rule, in the order of `cargo due lint --rules`.
        pub(super) static ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    PACKAGE_DEFINED, "layout", true,
        "A file has a package.",
        "Without one its names are global, and clash with those of any other schema.",
        "Write `package lobby.v1;` below the syntax.";
    PACKAGE_SNAKE_CASE, "naming", true,
        "The parts of a package are lower_snake_case.",
        "They become modules and folders, which are written so.",
        "Rename the package, before it ships: it is part of every name.";
    PACKAGE_DIRECTORY, "layout", true,
        "A file in a folder has the package of that folder: `lobby/v1/*.proto` has `lobby.v1`. Files right in a root are free.",
        "Who sees a name knows where it is declared, and imports read like packages.",
        "Move the file into the folder of its package, or right into a root.";
    PACKAGE_SAME_DIRECTORY, "layout", true,
        "The files of a package are in one folder.",
        "A package that is scattered has declarations that nobody finds.",
        "Move the files together.";
    PACKAGE_VERSION, "strict", false,
        "A package ends in a version: `lobby.v1`.",
        "What has to break can live beside the old, in `lobby.v2`.",
        "Add `.v1`, before the package ships.";
    FILE_SNAKE_CASE, "naming", true,
        "A file name is lower_snake_case.",
        "It becomes the names of generated files, and file systems differ about case.",
        "Rename the file and its imports.";
    MESSAGE_PASCAL_CASE, "naming", true,
        "A message is named in PascalCase.",
        "Generated types are written so in every language; other forms are changed on the way, and may clash.",
        "Rename the message; nothing of it is on the wire.";
    ENUM_PASCAL_CASE, "naming", true,
        "An enum is named in PascalCase.",
        "Generated types are written so in every language; other forms are changed on the way, and may clash.",
        "Rename the enum; nothing of it is on the wire.";
    SERVICE_PASCAL_CASE, "naming", true,
        "A service is named in PascalCase.",
        "Generated traits and clients are written so in every language.",
        "Rename the service.";
    RPC_PASCAL_CASE, "naming", true,
        "An rpc is named in PascalCase.",
        "Each language makes its own form of it; only from PascalCase they all find the words.",
        "Rename the rpc; of a node's rpc only the id is on the wire.";
    FIELD_SNAKE_CASE, "naming", true,
        "A field is named in lower_snake_case.",
        "JSON names and generated fields are made of its words.",
        "Rename the field; if clients speak json or msgpack, before it ships.";
    ONEOF_SNAKE_CASE, "naming", true,
        "A oneof is named in lower_snake_case.",
        "Generated fields are made of its words.",
        "Rename the oneof; nothing of it is on the wire.";
    VALUE_UPPER_SNAKE_CASE, "naming", true,
        "An enum value is named in UPPER_SNAKE_CASE.",
        "Generated variants are made of its words.",
        "Rename the value; if clients speak json, before it ships.";
    VALUE_PREFIX, "naming", true,
        "The values of an enum begin with its name: `REFUSAL_FULL` in `Refusal`.",
        "They share the scope around the enum: without it a second enum cannot have a value of that name.",
        "Add the prefix; generated code takes it off again.";
    VALUE_ZERO, "naming", true,
        "The value 0 says that nothing was said: it ends in UNSPECIFIED, UNKNOWN, NONE or DEFAULT; of error codes in OK, \
         SUCCESS or NONE.",
        "0 is what a field is that nobody has set, and what an unknown value reads as for some old clients.",
        "Make a value of such a name the first, and number the others from 1.";
    RPC_REQUEST_NAME, "naming", true,
        "A request is named after its rpc: `EnterRequest` or `LobbyEnterRequest` for `Enter`. google.protobuf.Empty is fine.",
        "A request of its own can get fields without touching other rpcs, and is found by its name.",
        "Give the rpc a message of its own.";
    RPC_RESPONSE_NAME, "naming", true,
        "A response is named after its rpc: `EnterResponse` or `LobbyEnterResponse` for `Enter`. google.protobuf.Empty is fine.",
        "A response of its own can get fields without touching other rpcs, and is found by its name.",
        "Give the rpc a message of its own.";
    NODE_NAME_FORM, "naming", true,
        "Names of nodes and meshes are lower case, with `-` between words.",
        "They stand in addresses, registries and keys, where one form saves from two names that look alike.",
        "Rename it, before users are bound to it.";
    TOPIC_FORM, "naming", true,
        "Topics are lower case, with `.`, `-`, `_`, `:` or `/` between words.",
        "They stand beside those of other programs on one bus, where one form saves from two that look alike.",
        "Rename the topic, before it ships.";
    PUSH_NAME, "naming", true,
        "A push is not named like a request or response.",
        "It is neither: nobody asks for it. `Moved`, `Joined` or `Scene` say what has happened or is.",
        "Rename the message; only the id is on the wire.";
    EVENT_NAME, "naming", true,
        "An event is not named like a request or response.",
        "It is neither: nobody is asked and nobody answers. `LoggedIn` says what has happened.",
        "Rename the message; only the topic is on the wire.";
    PUSH_NOT_IN_RPC, "routes", true,
        "A push is not the request or response of an rpc as well.",
        "What the answer needs later, every listener of the push gets, and the other way round.",
        "Make two messages, which may share a third as a field.";
    ROUTE_IDS_TOGETHER, "routes", true,
        "The ids of a service stand together: none is in the midst of those of another.",
        "Ids in blocks tell in a log or a capture which service is meant, and leave each service room.",
        "Take an id behind the others of the service before the route ships: `cargo due id SERVICE`.";
    IMPORT_USED, "layout", true,
        "What is imported is used.",
        "Each import is read by every run, and makes a file depend on what it does not need.",
        "Remove the import.";
    RPC_TYPES_UNIQUE, "strict", false,
        "A message is the request or the response of one rpc only. google.protobuf.Empty is fine.",
        "A field that one rpc needs, the other gets as well.",
        "Make a message for each rpc.";
    SERVICE_COMMENT, "comments", false,
        "A service has a comment.",
        "It is what generated traits, clients and documents say.",
        "Write `// ..` above it.";
    RPC_COMMENT, "comments", false,
        "An rpc has a comment.",
        "It is what generated methods and documents say.",
        "Write `// ..` above it.";
    MESSAGE_COMMENT, "comments", false,
        "A message has a comment, unless it is named as a request or response.",
        "It is what generated types and documents say.",
        "Write `// ..` above it.";
    FIELD_COMMENT, "comments", false,
        "A field has a comment.",
        "It is what generated fields and documents say.",
        "Write `// ..` above it, or behind it.";
    ENUM_COMMENT, "comments", false,
        "An enum has a comment.",
        "It is what generated types and documents say.",
        "Write `// ..` above it.";
    IGNORE_COMMENT, "layout", true,
        "A comment `due:lint-ignore` names a rule and a reason, and hides something.",
        "One that does not is a slip, or was left behind; what it seems to allow is not allowed.",
        "Write `// due:lint-ignore RULE reason` right above what it is for, or remove it.";
}
