import { CallError } from "./call-error";
import type { Message } from "./packer";
import { PacketError } from "./packet-error";
import { after, cancel } from "./timer";

/** What is used of an `AbortSignal`. */
export interface Signal {
  /** Whether to give up. */
  readonly aborted: boolean;
  /** What the call rejects with. Default: a `CallError` of kind `aborted`. */
  readonly reason?: unknown;
  /** Is given one listener per call. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Is called when the call ends. */
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
export interface Pending {
  /** Waits for the answer to what `send` sends; `timeout` in milliseconds, 0 waits until the connection ends. */
  call(route: number, send: (seq: number) => boolean, timeout?: number, signal?: Signal): Promise<Message>;
  /** Ends the call that waits with this route and seq; `false` if there is none. */
  settle(route: number, seq: number, error: unknown, answer?: Message): boolean;
  /** The route of the call with this seq. */
  routeOf(seq: number): number | undefined;
  /** Runs once no call waits, unless all of them fail before. */
  idle(run: () => void): void;
  /** Fails every call. */
  close(): void;
}

export function pendingCalls(seqBytes: number): Pending {
  /** By seq, or where there are none by a number of the call. */
  const calls = new Map<number, Call>();
  const seqs = seqBytes && 2 ** (8 * seqBytes - 1) - 1;
  const keys = seqs || 2 ** 53 - 1;
  const limit = Math.min(1024, keys);
  let last = 0;
  let whenIdle: (() => void) | undefined;

  function rest(): void {
    const run = whenIdle;
    for (const call of calls.values()) if (call.finish) return;
    whenIdle = undefined;
    run?.();
  }

  /** A key that is not in use. Calls that wait are never given up for it; of the abandoned ones, the oldest. */
  function free(): number {
    for (const [key, call] of calls) {
      if (calls.size < limit) break;
      if (!call.finish && (seqs || isOverdue(call))) calls.delete(key);
    }
    if (calls.size >= limit) throw new CallError("busy", `${limit} calls are waiting`);
    do last = last < keys ? last + 1 : 1;
    while (calls.has(last));
    return last;
  }

  function take(route: number, seq: number): Call | undefined {
    for (const [key, call] of calls) {
      // A server may push with any seq: only together with the route it is an answer.
      if (call.route === route && (!seqs || key === seq)) {
        calls.delete(key);
        if (seqs || !isOverdue(call)) return call;
      }
    }
    return undefined;
  }

  return {
    call: (route, send, timeout = 0, signal) =>
      new Promise((resolve, reject) => {
        heed(signal);
        const key = free();
        const abort = (): void => give(aborted(signal));
        const give = (error: unknown, answer?: Message): void => {
          call.finish = undefined;
          call.since = Date.now();
          cancel(timer);
          signal?.removeEventListener("abort", abort);
          answer ? resolve(answer) : reject(error);
          rest();
        };
        const call: Call = { route, since: 0, finish: give };
        const timer =
          timeout > 0 && after(timeout, () => give(new CallError("timeout", `no answer within ${timeout} ms`)));
        signal?.addEventListener("abort", abort);
        calls.set(key, call);
        try {
          attempt(() => send(seqs && key));
        } catch (error) {
          calls.delete(key);
          give(error);
        }
      }),

    settle(route, seq, error, answer) {
      const call = take(route, seq);
      call?.finish?.(error, answer);
      return !!call;
    },

    routeOf: (seq) => (seqs ? calls.get(seq)?.route : undefined),

    idle(run) {
      whenIdle = run;
      rest();
    },

    close() {
      whenIdle = undefined;
      for (const call of calls.values()) call.finish?.(closed());
      calls.clear();
    },
  };
}

const isOverdue = (call: Call): boolean => !call.finish && Date.now() - call.since >= LATE;

const aborted = (signal?: Signal): unknown => signal?.reason ?? new CallError("aborted", "call aborted");

const closed = (cause?: unknown): CallError => new CallError("closed", "connection closed", cause);

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
