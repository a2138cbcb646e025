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
  constructor(code: number, message: string, route: number, seq: number, response?: Message) {
    super(message);
    this.code = code;
    this.route = route;
    this.seq = seq;
    if (response) this.response = response;
  }
}
