import { create, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type DifferenceKind, type Schema, type Skew, SkewError } from "./skew";
import { AnswerSchema, GreetingSchema } from "./skew-schema";
import { after, cancel } from "./timer";

declare const console: { warn(...data: unknown[]): void };

/** What to do about a gate with another schema. */
export interface SkewOptions {
  /** Told of every connection that lasts until it is known. Default: warns on the console of what breaks. */
  onSkew?: ((skew: Skew) => void) | undefined;
  /** Disconnects from a gate that breaks calls; `onError` of the session hears of it with a `SkewError`. Default: false. */
  refuse?: boolean | undefined;
  /** Milliseconds that a gate may take to say how the schemas differ. Default: 3000. */
  timeout?: number | undefined;
}

/** Asks over one connection: sends on route -1, disconnects if that is what to do, and reports errors. */
export type SkewCheck = (
  send: (body: Uint8Array) => boolean,
  disconnect: () => void,
  report: (error: unknown) => void,
) => Question;

/** A question that the gate has been asked. */
export interface Question {
  /** Takes what the gate says about schemas; nothing says that it does not know them. */
  hear(body?: Uint8Array): void;
  /** The connection is over. */
  stop(): void;
}

/** Longest part of a shape that is sent at a time: it fits in every packet of due's defaults. */
const PART = 4096;
const MARK = 0xff;
const MORE = 2;
const VERDICTS = ["unknown", "same", "unknown", "differs", "uncompared"] as const;
const KINDS: readonly (DifferenceKind | undefined)[] = [undefined, "removed", "retyped", "stricter", "added"];

/**
 * Has a session ask every gate that it is connected to how its schema differs from that of the stubs, beside all calls:
 * ```ts
 * new Session(client, { skew: checkSkew(schema, { onSkew: (skew) => skew.breaking && askToReload() }) });
 * ```
 * Gates of Go drop the question, those that were told no schema refuse it: the skew is `unknown`.
 */
export function checkSkew(schema: Schema, options: SkewOptions = {}): SkewCheck {
  const { refuse, timeout = 3000, onSkew = warn } = options;
  return (send, disconnect, report) => {
    let over = false;
    const stop = (): void => {
      over = true;
      cancel(timer);
    };
    const finish = (skew: Skew): void => {
      if (over) return;
      stop();
      try {
        onSkew(skew);
      } catch (error) {
        report(error);
      }
      if (!refuse || !skew.breaking) return;
      disconnect();
      report(new SkewError(skew));
    };
    const say = (init: MessageInitShape<typeof GreetingSchema>): void => {
      const greeting = toBinary(GreetingSchema, create(GreetingSchema, init));
      const body = new Uint8Array(1 + greeting.length);
      body[0] = MARK;
      body.set(greeting, 1);
      try {
        if (send(body)) return;
      } catch {
        // A packer that has no room for it, or not for the route.
      }
      finish(UNKNOWN);
    };
    const timer = after(timeout, () => finish(UNKNOWN));
    const shape = base64Decode(schema.shape);
    say({ hash: schema.hash, size: shape.length });
    return {
      stop,
      hear(body) {
        if (over) return;
        const answer = read(body);
        const { verdict = 0, offset = 0, limit = 0 } = answer ?? {};
        if (verdict !== MORE) return finish(answer && verdict ? skewOf(schema, answer) : UNKNOWN);
        const part = shape.subarray(offset, offset + Math.min(limit || 1, PART));
        if (part.length) say({ offset, part });
        else finish(UNKNOWN);
      },
    };
  };
}

const UNKNOWN: Skew = { kind: "unknown", differences: [], omitted: 0, breaking: false };

function read(body?: Uint8Array): MessageShape<typeof AnswerSchema> | undefined {
  try {
    return body && fromBinary(AnswerSchema, body.subarray(1));
  } catch {
    return undefined;
  }
}

function skewOf({ routes }: Schema, answer: MessageShape<typeof AnswerSchema>): Skew {
  const { omitted, breaking } = answer;
  const kind = VERDICTS[answer.verdict] ?? "unknown";
  const own = (route: number): string => routes.find(([id]) => id === route)?.[1] ?? "";
  const differences = answer.differences.flatMap(({ route, kind, name, detail }) => {
    const known = KINDS[kind];
    return known ? [{ route, kind: known, name: name || own(route), detail }] : [];
  });
  return { kind, differences, omitted, breaking };
}

function warn(skew: Skew): void {
  if (skew.breaking && typeof console !== "undefined") console.warn(new SkewError(skew).message);
}
