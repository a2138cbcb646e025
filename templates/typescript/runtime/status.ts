import type { Message } from "@bufbuild/protobuf";

/** The server refuses a request, or says why it will disconnect. */
export class Status extends Error {
  override readonly name = "Status";
  /** One of `Code`, or a number of the game's own. */
  readonly code: number;
  /** Route of the request; 0 when it is about none. */
  readonly route: number;
  /** Seq of the request; 0 when it is about none. */
  readonly seq: number;
  /** The whole response, where the code is a field of it. */
  readonly response?: Message;

  /** `message` is for people, and may be empty. */
  constructor(from: { code: number; message: string; route: number; seq: number; response?: Message }) {
    super(from.message);
    this.code = from.code;
    this.route = from.route;
    this.seq = from.seq;
    if (from.response) this.response = from.response;
  }
}
