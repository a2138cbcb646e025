import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { getTextEncoding } from "@bufbuild/protobuf/wire";
import type { Codec } from "./codec";

/**
 * The JSON form of Protocol Buffers: fields with default values are written, unknown ones ignored, and an empty body
 * is an empty message. Where there is no `TextEncoder`, give protobuf-es a substitute (`configureTextEncoding`).
 */
export const json: Codec = {
  encode: (schema, message) =>
    getTextEncoding().encodeUtf8(toJsonString(schema, message, { alwaysEmitImplicit: true })),
  decode: (schema, body) =>
    fromJsonString(schema, getTextEncoding().decodeUtf8(body) || "{}", { ignoreUnknownFields: true }),
};
