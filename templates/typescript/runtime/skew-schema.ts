import type { Message } from "@bufbuild/protobuf";
import { fileDesc, type GenFile, type GenMessage, messageDesc } from "@bufbuild/protobuf/codegenv2";

/**
 * What follows the byte `0xff` on route -1:
 * ```proto
 * message Greeting { string hash = 1; uint32 size = 2; uint32 offset = 3; bytes part = 4; }
 * message Difference { int32 route = 1; int32 kind = 2; string name = 3; string detail = 4; }
 * message Answer {
 *   int32 verdict = 1; uint32 offset = 2; uint32 limit = 3;
 *   repeated Difference differences = 4; uint32 omitted = 5; bool breaking = 6;
 * }
 * ```
 */
const file: GenFile = /*@__PURE__*/ fileDesc(
  "Cg5kdWUvc2tldy5wcm90bxIDZHVlIkQKCEdyZWV0aW5nEgwKBGhhc2gYASABKAkSDAoEc2l6ZRgCIAEoDRIOCgZvZmZzZXQYAyABKA0SDAoEcGFydBgEIAEoDCJHCgpEaWZmZXJlbmNlEg0KBXJvdXRlGAEgASgFEgwKBGtpbmQYAiABKAUSDAoEbmFtZRgDIAEoCRIOCgZkZXRhaWwYBCABKAkigQEKBkFuc3dlchIPCgd2ZXJkaWN0GAEgASgFEg4KBm9mZnNldBgCIAEoDRINCgVsaW1pdBgDIAEoDRIkCgtkaWZmZXJlbmNlcxgEIAMoCzIPLmR1ZS5EaWZmZXJlbmNlEg8KB29taXR0ZWQYBSABKA0SEAoIYnJlYWtpbmcYBiABKAhiBnByb3RvMw",
);

/** From a client. */
export const GreetingSchema: GenMessage<
  Message<"due.Greeting"> & { hash: string; size: number; offset: number; part: Uint8Array }
> = /*@__PURE__*/ messageDesc(file, 0);

/** From a gate. */
export const AnswerSchema: GenMessage<
  Message<"due.Answer"> & {
    verdict: number;
    offset: number;
    limit: number;
    differences: (Message<"due.Difference"> & { route: number; kind: number; name: string; detail: string })[];
    omitted: number;
    breaking: boolean;
  }
> = /*@__PURE__*/ messageDesc(file, 2);
