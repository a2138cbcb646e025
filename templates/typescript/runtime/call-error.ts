/**
 * Why a call has no answer, or none that can be used:
 *
 * - `timeout`: nothing came in time. The server may have done what was asked; a late answer is ignored.
 * - `closed`: there is no connection, or it has ended. Connect again.
 * - `busy`: too many calls wait for their answers; nothing was sent.
 * - `aborted`: the caller's signal, where it gives no reason of its own. The server may have done what was asked.
 * - `encode`: the request has no form in the codec; nothing was sent.
 * - `packet`: the request does not fit in a packet; nothing was sent.
 * - `decode`: the answer is not what was expected. Client and server may have different schemas or codecs.
 */
export type CallErrorKind = "timeout" | "closed" | "busy" | "aborted" | "encode" | "packet" | "decode";

export interface CallError {
  /** What was thrown, if anything was. */
  cause?: unknown;
}

/** A call failed on this side. Where the server refuses, there is a `Status` instead. */
export class CallError extends Error {
  override readonly name = "CallError";
  /** What can be done about it. */
  readonly kind: CallErrorKind;

  /** `message` says more than `kind` does. */
  constructor(kind: CallErrorKind, message: string, cause?: unknown) {
    super(message);
    this.kind = kind;
    this.cause = cause;
  }
}
