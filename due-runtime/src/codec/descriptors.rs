//! How protobuf describes itself: the messages of `descriptor.proto`, `api.proto`, `type.proto` and `source_context.proto`,
//! as far as prost-types has them. Options have no extensions there: these are skipped as unknown fields are.

use prost_types as p;

use super::Codec;
use super::body::{Body, DecodeError, EncodeError, decode, encode};
use super::fields::{Enum, EnumTable, Field, Fields, Kind, Msg, Opt, Plain, Rep, Slot, Table, View};

/// Index, field of the struct, name in the schema, name in JSON, kind.
macro_rules! described {
    ($name:literal, $type:ty { $($index:literal $field:ident $proto:literal $json:literal $kind:ty),* $(,)? }) => {
        // Options that are deprecated still have a name.
        #[allow(deprecated)]
        impl Fields for $type {
            fn table(&self) -> &'static Table {
                const TABLE: &Table = &Table {
                    name: concat!("google.protobuf.", $name),
                    fields: &[$(Field::new($proto, $json)),*],
                };
                TABLE
            }

            fn view(&self, index: usize) -> View<'_> {
                match index {
                    $($index => <$kind>::view(&self.$field),)*
                    _ => View::None,
                }
            }

            fn slot(&mut self, index: usize) -> Slot<'_> {
                match index {
                    $($index => <$kind>::slot(&mut self.$field),)*
                    _ => Slot::None,
                }
            }
        }

        impl Body for $type {
            const NAME: &'static str = concat!("google.protobuf.", $name);

            fn encode_body(&self, codec: &Codec, out: &mut bytes::BytesMut) -> Result<(), EncodeError> {
                encode(self, codec, out)
            }

            fn decode_body(codec: &Codec, body: &bytes::Bytes) -> Result<Self, DecodeError> {
                decode(codec, body)
            }
        }
    };
}

macro_rules! named {
    ($type:ty { $($number:literal $name:literal),* $(,)? }) => {
        impl EnumTable for $type {
            const NAMES: &'static [(i32, &'static str)] = &[$(($number, $name)),*];
        }
    };
}

described!("FileDescriptorSet", p::FileDescriptorSet { 0 file "file" "file" Rep<Msg> });
described!("FileDescriptorProto", p::FileDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 package "package" "package" Opt<Plain>,
    2 dependency "dependency" "dependency" Rep<Plain>,
    3 public_dependency "public_dependency" "publicDependency" Rep<Plain>,
    4 weak_dependency "weak_dependency" "weakDependency" Rep<Plain>,
    5 message_type "message_type" "messageType" Rep<Msg>,
    6 enum_type "enum_type" "enumType" Rep<Msg>,
    7 service "service" "service" Rep<Msg>,
    8 extension "extension" "extension" Rep<Msg>,
    9 options "options" "options" Opt<Msg>,
    10 source_code_info "source_code_info" "sourceCodeInfo" Opt<Msg>,
    11 syntax "syntax" "syntax" Opt<Plain>,
});
described!("DescriptorProto", p::DescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 field "field" "field" Rep<Msg>,
    2 extension "extension" "extension" Rep<Msg>,
    3 nested_type "nested_type" "nestedType" Rep<Msg>,
    4 enum_type "enum_type" "enumType" Rep<Msg>,
    5 extension_range "extension_range" "extensionRange" Rep<Msg>,
    6 oneof_decl "oneof_decl" "oneofDecl" Rep<Msg>,
    7 options "options" "options" Opt<Msg>,
    8 reserved_range "reserved_range" "reservedRange" Rep<Msg>,
    9 reserved_name "reserved_name" "reservedName" Rep<Plain>,
});
described!("DescriptorProto.ExtensionRange", p::descriptor_proto::ExtensionRange {
    0 start "start" "start" Opt<Plain>,
    1 end "end" "end" Opt<Plain>,
    2 options "options" "options" Opt<Msg>,
});
described!("DescriptorProto.ReservedRange", p::descriptor_proto::ReservedRange {
    0 start "start" "start" Opt<Plain>,
    1 end "end" "end" Opt<Plain>,
});
described!("ExtensionRangeOptions", p::ExtensionRangeOptions {
    0 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("FieldDescriptorProto", p::FieldDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 number "number" "number" Opt<Plain>,
    2 label "label" "label" Opt<Enum<p::field_descriptor_proto::Label>>,
    3 r#type "type" "type" Opt<Enum<p::field_descriptor_proto::Type>>,
    4 type_name "type_name" "typeName" Opt<Plain>,
    5 extendee "extendee" "extendee" Opt<Plain>,
    6 default_value "default_value" "defaultValue" Opt<Plain>,
    7 oneof_index "oneof_index" "oneofIndex" Opt<Plain>,
    8 json_name "json_name" "jsonName" Opt<Plain>,
    9 options "options" "options" Opt<Msg>,
    10 proto3_optional "proto3_optional" "proto3Optional" Opt<Plain>,
});
described!("OneofDescriptorProto", p::OneofDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 options "options" "options" Opt<Msg>,
});
described!("EnumDescriptorProto", p::EnumDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 value "value" "value" Rep<Msg>,
    2 options "options" "options" Opt<Msg>,
    3 reserved_range "reserved_range" "reservedRange" Rep<Msg>,
    4 reserved_name "reserved_name" "reservedName" Rep<Plain>,
});
described!("EnumDescriptorProto.EnumReservedRange", p::enum_descriptor_proto::EnumReservedRange {
    0 start "start" "start" Opt<Plain>,
    1 end "end" "end" Opt<Plain>,
});
described!("EnumValueDescriptorProto", p::EnumValueDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 number "number" "number" Opt<Plain>,
    2 options "options" "options" Opt<Msg>,
});
described!("ServiceDescriptorProto", p::ServiceDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 method "method" "method" Rep<Msg>,
    2 options "options" "options" Opt<Msg>,
});
described!("MethodDescriptorProto", p::MethodDescriptorProto {
    0 name "name" "name" Opt<Plain>,
    1 input_type "input_type" "inputType" Opt<Plain>,
    2 output_type "output_type" "outputType" Opt<Plain>,
    3 options "options" "options" Opt<Msg>,
    4 client_streaming "client_streaming" "clientStreaming" Opt<Plain>,
    5 server_streaming "server_streaming" "serverStreaming" Opt<Plain>,
});
described!("FileOptions", p::FileOptions {
    0 java_package "java_package" "javaPackage" Opt<Plain>,
    1 java_outer_classname "java_outer_classname" "javaOuterClassname" Opt<Plain>,
    2 java_multiple_files "java_multiple_files" "javaMultipleFiles" Opt<Plain>,
    3 java_generate_equals_and_hash "java_generate_equals_and_hash" "javaGenerateEqualsAndHash" Opt<Plain>,
    4 java_string_check_utf8 "java_string_check_utf8" "javaStringCheckUtf8" Opt<Plain>,
    5 optimize_for "optimize_for" "optimizeFor" Opt<Enum<p::file_options::OptimizeMode>>,
    6 go_package "go_package" "goPackage" Opt<Plain>,
    7 cc_generic_services "cc_generic_services" "ccGenericServices" Opt<Plain>,
    8 java_generic_services "java_generic_services" "javaGenericServices" Opt<Plain>,
    9 py_generic_services "py_generic_services" "pyGenericServices" Opt<Plain>,
    10 php_generic_services "php_generic_services" "phpGenericServices" Opt<Plain>,
    11 deprecated "deprecated" "deprecated" Opt<Plain>,
    12 cc_enable_arenas "cc_enable_arenas" "ccEnableArenas" Opt<Plain>,
    13 objc_class_prefix "objc_class_prefix" "objcClassPrefix" Opt<Plain>,
    14 csharp_namespace "csharp_namespace" "csharpNamespace" Opt<Plain>,
    15 swift_prefix "swift_prefix" "swiftPrefix" Opt<Plain>,
    16 php_class_prefix "php_class_prefix" "phpClassPrefix" Opt<Plain>,
    17 php_namespace "php_namespace" "phpNamespace" Opt<Plain>,
    18 php_metadata_namespace "php_metadata_namespace" "phpMetadataNamespace" Opt<Plain>,
    19 ruby_package "ruby_package" "rubyPackage" Opt<Plain>,
    20 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("MessageOptions", p::MessageOptions {
    0 message_set_wire_format "message_set_wire_format" "messageSetWireFormat" Opt<Plain>,
    1 no_standard_descriptor_accessor "no_standard_descriptor_accessor" "noStandardDescriptorAccessor" Opt<Plain>,
    2 deprecated "deprecated" "deprecated" Opt<Plain>,
    3 map_entry "map_entry" "mapEntry" Opt<Plain>,
    4 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("FieldOptions", p::FieldOptions {
    0 ctype "ctype" "ctype" Opt<Enum<p::field_options::CType>>,
    1 packed "packed" "packed" Opt<Plain>,
    2 jstype "jstype" "jstype" Opt<Enum<p::field_options::JsType>>,
    3 lazy "lazy" "lazy" Opt<Plain>,
    4 deprecated "deprecated" "deprecated" Opt<Plain>,
    5 weak "weak" "weak" Opt<Plain>,
    6 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("OneofOptions", p::OneofOptions {
    0 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("EnumOptions", p::EnumOptions {
    0 allow_alias "allow_alias" "allowAlias" Opt<Plain>,
    1 deprecated "deprecated" "deprecated" Opt<Plain>,
    2 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("EnumValueOptions", p::EnumValueOptions {
    0 deprecated "deprecated" "deprecated" Opt<Plain>,
    1 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("ServiceOptions", p::ServiceOptions {
    0 deprecated "deprecated" "deprecated" Opt<Plain>,
    1 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("MethodOptions", p::MethodOptions {
    0 deprecated "deprecated" "deprecated" Opt<Plain>,
    1 idempotency_level "idempotency_level" "idempotencyLevel" Opt<Enum<p::method_options::IdempotencyLevel>>,
    2 uninterpreted_option "uninterpreted_option" "uninterpretedOption" Rep<Msg>,
});
described!("UninterpretedOption", p::UninterpretedOption {
    0 name "name" "name" Rep<Msg>,
    1 identifier_value "identifier_value" "identifierValue" Opt<Plain>,
    2 positive_int_value "positive_int_value" "positiveIntValue" Opt<Plain>,
    3 negative_int_value "negative_int_value" "negativeIntValue" Opt<Plain>,
    4 double_value "double_value" "doubleValue" Opt<Plain>,
    5 string_value "string_value" "stringValue" Opt<Plain>,
    6 aggregate_value "aggregate_value" "aggregateValue" Opt<Plain>,
});
described!("UninterpretedOption.NamePart", p::uninterpreted_option::NamePart {
    0 name_part "name_part" "namePart" Plain,
    1 is_extension "is_extension" "isExtension" Plain,
});
described!("SourceCodeInfo", p::SourceCodeInfo { 0 location "location" "location" Rep<Msg> });
described!("SourceCodeInfo.Location", p::source_code_info::Location {
    0 path "path" "path" Rep<Plain>,
    1 span "span" "span" Rep<Plain>,
    2 leading_comments "leading_comments" "leadingComments" Opt<Plain>,
    3 trailing_comments "trailing_comments" "trailingComments" Opt<Plain>,
    4 leading_detached_comments "leading_detached_comments" "leadingDetachedComments" Rep<Plain>,
});
described!("GeneratedCodeInfo", p::GeneratedCodeInfo { 0 annotation "annotation" "annotation" Rep<Msg> });
described!("GeneratedCodeInfo.Annotation", p::generated_code_info::Annotation {
    0 path "path" "path" Rep<Plain>,
    1 source_file "source_file" "sourceFile" Opt<Plain>,
    2 begin "begin" "begin" Opt<Plain>,
    3 end "end" "end" Opt<Plain>,
});
described!("SourceContext", p::SourceContext { 0 file_name "file_name" "fileName" Plain });
described!("Type", p::Type {
    0 name "name" "name" Plain,
    1 fields "fields" "fields" Rep<Msg>,
    2 oneofs "oneofs" "oneofs" Rep<Plain>,
    3 options "options" "options" Rep<Msg>,
    4 source_context "source_context" "sourceContext" Opt<Msg>,
    5 syntax "syntax" "syntax" Enum<p::Syntax>,
});
described!("Field", p::Field {
    0 kind "kind" "kind" Enum<p::field::Kind>,
    1 cardinality "cardinality" "cardinality" Enum<p::field::Cardinality>,
    2 number "number" "number" Plain,
    3 name "name" "name" Plain,
    4 type_url "type_url" "typeUrl" Plain,
    5 oneof_index "oneof_index" "oneofIndex" Plain,
    6 packed "packed" "packed" Plain,
    7 options "options" "options" Rep<Msg>,
    8 json_name "json_name" "jsonName" Plain,
    9 default_value "default_value" "defaultValue" Plain,
});
described!("Enum", p::Enum {
    0 name "name" "name" Plain,
    1 enumvalue "enumvalue" "enumvalue" Rep<Msg>,
    2 options "options" "options" Rep<Msg>,
    3 source_context "source_context" "sourceContext" Opt<Msg>,
    4 syntax "syntax" "syntax" Enum<p::Syntax>,
});
described!("EnumValue", p::EnumValue {
    0 name "name" "name" Plain,
    1 number "number" "number" Plain,
    2 options "options" "options" Rep<Msg>,
});
described!("Option", p::Option { 0 name "name" "name" Plain, 1 value "value" "value" Opt<Msg> });
described!("Api", p::Api {
    0 name "name" "name" Plain,
    1 methods "methods" "methods" Rep<Msg>,
    2 options "options" "options" Rep<Msg>,
    3 version "version" "version" Plain,
    4 source_context "source_context" "sourceContext" Opt<Msg>,
    5 mixins "mixins" "mixins" Rep<Msg>,
    6 syntax "syntax" "syntax" Enum<p::Syntax>,
});
described!("Method", p::Method {
    0 name "name" "name" Plain,
    1 request_type_url "request_type_url" "requestTypeUrl" Plain,
    2 request_streaming "request_streaming" "requestStreaming" Plain,
    3 response_type_url "response_type_url" "responseTypeUrl" Plain,
    4 response_streaming "response_streaming" "responseStreaming" Plain,
    5 options "options" "options" Rep<Msg>,
    6 syntax "syntax" "syntax" Enum<p::Syntax>,
});
described!("Mixin", p::Mixin { 0 name "name" "name" Plain, 1 root "root" "root" Plain });

named!(p::field_descriptor_proto::Type {
    1 "TYPE_DOUBLE",
    2 "TYPE_FLOAT",
    3 "TYPE_INT64",
    4 "TYPE_UINT64",
    5 "TYPE_INT32",
    6 "TYPE_FIXED64",
    7 "TYPE_FIXED32",
    8 "TYPE_BOOL",
    9 "TYPE_STRING",
    10 "TYPE_GROUP",
    11 "TYPE_MESSAGE",
    12 "TYPE_BYTES",
    13 "TYPE_UINT32",
    14 "TYPE_ENUM",
    15 "TYPE_SFIXED32",
    16 "TYPE_SFIXED64",
    17 "TYPE_SINT32",
    18 "TYPE_SINT64",
});
named!(p::field_descriptor_proto::Label { 1 "LABEL_OPTIONAL", 2 "LABEL_REQUIRED", 3 "LABEL_REPEATED" });
named!(p::file_options::OptimizeMode { 1 "SPEED", 2 "CODE_SIZE", 3 "LITE_RUNTIME" });
named!(p::field_options::CType { 0 "STRING", 1 "CORD", 2 "STRING_PIECE" });
named!(p::field_options::JsType { 0 "JS_NORMAL", 1 "JS_STRING", 2 "JS_NUMBER" });
named!(p::method_options::IdempotencyLevel { 0 "IDEMPOTENCY_UNKNOWN", 1 "NO_SIDE_EFFECTS", 2 "IDEMPOTENT" });
named!(p::field::Kind {
    0 "TYPE_UNKNOWN",
    1 "TYPE_DOUBLE",
    2 "TYPE_FLOAT",
    3 "TYPE_INT64",
    4 "TYPE_UINT64",
    5 "TYPE_INT32",
    6 "TYPE_FIXED64",
    7 "TYPE_FIXED32",
    8 "TYPE_BOOL",
    9 "TYPE_STRING",
    10 "TYPE_GROUP",
    11 "TYPE_MESSAGE",
    12 "TYPE_BYTES",
    13 "TYPE_UINT32",
    14 "TYPE_ENUM",
    15 "TYPE_SFIXED32",
    16 "TYPE_SFIXED64",
    17 "TYPE_SINT32",
    18 "TYPE_SINT64",
});
named!(p::field::Cardinality {
    0 "CARDINALITY_UNKNOWN",
    1 "CARDINALITY_OPTIONAL",
    2 "CARDINALITY_REQUIRED",
    3 "CARDINALITY_REPEATED",
});
named!(p::Syntax { 0 "SYNTAX_PROTO2", 1 "SYNTAX_PROTO3", 2 "SYNTAX_EDITIONS" });
