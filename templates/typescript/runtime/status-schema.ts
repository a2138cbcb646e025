import type { Message } from "@bufbuild/protobuf";
import { fileDesc, type GenMessage, messageDesc } from "@bufbuild/protobuf/codegenv2";

/**
 * The body of a packet on route -1:
 * ```proto
 * message Status { int32 route = 1; int32 seq = 2; int32 code = 3; string message = 4; }
 * ```
 */
export const StatusSchema: GenMessage<
  Message<"due.Status"> & { route: number; seq: number; code: number; message: string }
> = /*@__PURE__*/ messageDesc(
  /*@__PURE__*/ fileDesc(
    "ChBkdWUvc3RhdHVzLnByb3RvEgNkdWUiQwoGU3RhdHVzEg0KBXJvdXRlGAEgASgFEgsKA3NlcRgCIAEoBRIMCgRjb2RlGAMgASgFEg8KB21lc3NhZ2UYBCABKAliBnByb3RvMw",
  ),
  0,
);
