import { CallError } from "./call-error";
import type { Message } from "./packer";
import { PacketError } from "./packet-error";
import { after, cancel } from "./timer";

/** What is used of an `AbortSignal`. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

interface Call {
  route: number;
  /** When the caller gave up: its late answer must not be taken for that of another call. */
  since: number;
  /** Absent when nobody waits any more. */
  finish?: ((error: unknown, answer?: Message) => void) | undefined;
}

/** How long the answer to an abandoned call may still come, where only the order tells whose answer it is. */
const LATE = 30_000;

/** Calls that wait for their answers, matched by seq, or without seqs by the order of the calls on a route. */
export class Pending {
  private readonly calls: Map<number, Call> = new Map();
  /** The largest seq, 0 if there are none. */
  private readonly max: number;
  /** Keys are seqs, or where there are none just numbers. */
  private readonly keys: number;
  private last = 0;

  constructor(seqBytes: number) {
    this.max = seqBytes && 2 ** (8 * seqBytes - 1) - 1;
    this.keys = this.max || 2 ** 53 - 1;
  }

  /** Waits for the answer to what `send` sends; `timeout` in milliseconds, 0 waits until the connection ends. */
  call(route: number, send: (seq: number) => boolean, timeout = 0, signal?: Signal): Promise<Message> {
    return new Promise((resolve, reject) => {
      heed(signal);
      const { calls } = this;
      const key = this.free();
      const abort = (): void => give(aborted(signal));
      const give = (error: unknown, answer?: Message): void => {
        call.finish = undefined;
        call.since = Date.now();
        cancel(timer);
        signal?.removeEventListener("abort", abort);
        answer ? resolve(answer) : reject(error);
      };
      const call: Call = { route, since: 0, finish: give };
      const timer =
        timeout > 0 && after(timeout, () => give(new CallError("timeout", `no answer within ${timeout} ms`)));
      signal?.addEventListener("abort", abort);
      calls.set(key, call);
      try {
        attempt(() => send(this.max && key));
      } catch (error) {
        calls.delete(key);
        give(error);
      }
    });
  }

  /** Ends the call that waits with this route and seq; `false` if there is none. */
  settle(route: number, seq: number, error: unknown, answer?: Message): boolean {
    const call = this.take(route, seq);
    call?.finish?.(error, answer);
    return !!call;
  }

  /** The route of the call with this seq. */
  routeOf(seq: number): number | undefined {
    return this.max ? this.calls.get(seq)?.route : undefined;
  }

  /** Fails every call. */
  close(): void {
    for (const call of this.calls.values()) call.finish?.(closed());
    this.calls.clear();
  }

  /** A key that is not in use. Calls that wait are never given up for it; of the abandoned ones, the oldest. */
  private free(): number {
    const { calls, keys } = this;
    const limit = Math.min(1024, keys);
    for (const [key, call] of calls) {
      if (calls.size < limit) break;
      if (!call.finish && (this.max || isOverdue(call))) calls.delete(key);
    }
    if (calls.size >= limit) throw new CallError("busy", `${limit} calls are waiting for their answers already`);
    do this.last = this.last < keys ? this.last + 1 : 1;
    while (calls.has(this.last));
    return this.last;
  }

  private take(route: number, seq: number): Call | undefined {
    for (const [key, call] of this.max ? [[seq, this.calls.get(seq)] as const] : this.calls) {
      // A server may push with any seq: only together with the route it is an answer.
      if (call?.route === route) {
        this.calls.delete(key);
        if (this.max || !isOverdue(call)) return call;
      }
    }
    return undefined;
  }
}

const isOverdue = (call: Call): boolean => !call.finish && Date.now() - call.since >= LATE;

const aborted = (signal?: Signal): unknown => signal?.reason ?? new CallError("aborted", "the call was aborted");

const closed = (cause?: unknown): CallError => new CallError("closed", "the connection is closed", cause);

/** Throws if the signal says so. */
export function heed(signal?: Signal): void {
  if (signal?.aborted) throw aborted(signal);
}

/** Runs the `send` of a connection; what keeps a message from being sent becomes a `CallError`. */
export function attempt(send: () => boolean): void {
  let cause: unknown;
  try {
    if (send()) return;
  } catch (error) {
    cause = error;
  }
  // due-client-ts throws strings.
  if (typeof cause === "string") throw new CallError("packet", cause, cause);
  throw cause instanceof PacketError ? new CallError("packet", cause.message, cause) : closed(cause);
}
