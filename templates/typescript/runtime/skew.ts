/** What a client was generated from: `schema`, emitted beside the stubs. */
export interface Schema {
  /** The same for all schemas that the wire cannot tell apart; 16 hexadecimal digits. */
  readonly hash: string;
  /** What the wire sees of the schema, in base64. */
  readonly shape: string;
  /** Id and full name of every route and push. */
  readonly routes: readonly (readonly [number, string])[];
}

/**
 * How a route or push of the client differs at the gate:
 *
 * - `removed`: the gate's schema does not have it.
 * - `retyped`: a message of it is another one: a field is gone, or of another type.
 * - `stricter`: it needs a user, or one who is bound to a node, and did not.
 * - `added`: the client's schema does not have it, which breaks nothing.
 */
export type DifferenceKind = "removed" | "retyped" | "stricter" | "added";

/** One way in which a route or push differs. */
export interface Difference {
  /** Its number. */
  readonly route: number;
  /** What is different. */
  readonly kind: DifferenceKind;
  /** Its full name, as `lobby.v1.Lobby.Enter`. */
  readonly name: string;
  /** For people: `request.seat.row is sint64 on the server, int32 on the client`. Empty where the kind says it all. */
  readonly detail: string;
}

/** How the schema of this client and that of its gate differ. */
export interface Skew {
  /**
   * - `same`: not in any way.
   * - `differs`: by `differences`; there are none if only what is new differs.
   * - `uncompared`: in some way. The gate has not looked into it: a schema is too large, or too many clients ask at a time.
   * - `unknown`: the gate was told no schema, is one of Go, or did not answer in time.
   */
  readonly kind: "same" | "differs" | "uncompared" | "unknown";
  /** What breaks comes first. */
  readonly differences: readonly Difference[];
  /** Further differences, which had no room in the answer. */
  readonly omitted: number;
  /** Whether calls of this client are known to fail or to be misunderstood. */
  readonly breaking: boolean;
}

/** The gate has a schema that breaks calls of this client. */
export class SkewError extends Error {
  override readonly name = "SkewError";
  /** By which routes they differ. */
  readonly skew: Skew;

  /** The message names the routes. */
  constructor(skew: Skew) {
    const told = skew.differences.map(({ route, kind, name, detail }) => {
      return `route ${route} (${name}) ${kind === "stricter" ? "is" : "was"} ${kind}${detail && `: ${detail}`}`;
    });
    if (skew.omitted) told.push(`and ${skew.omitted} more`);
    super(`the gate has another schema: ${told.join("; ")}`);
    this.skew = skew;
  }
}
