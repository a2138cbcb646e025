import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Codec } from "./codec";

/** The binary form of Protocol Buffers, due's default. */
export const proto: Codec = {
  encode: (schema, message) => toBinary(schema, message),
  decode: (schema, body) => fromBinary(schema, body),
};
