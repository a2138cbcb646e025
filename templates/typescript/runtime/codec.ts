import type { DescMessage, MessageShape } from "@bufbuild/protobuf";

/** How bodies are written. Client and nodes must use the same. */
export interface Codec {
  /** May throw; then nothing is sent. */
  encode<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Uint8Array;
  /** May throw. An empty body is empty, never absent. */
  decode<Desc extends DescMessage>(schema: Desc, body: Uint8Array): MessageShape<Desc>;
}
