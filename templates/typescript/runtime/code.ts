/** What a server answers when it cannot answer, as due counts. Games add their own above 10. */
export const Code = {
  /** The gate stops, and says so before it closes the connection; no answer to a call. Not one of due's. */
  GOING_AWAY: -1,
  /** Success. */
  OK: 0,
  /** The caller went away or gave up. */
  CANCELED: 1,
  /** A failure nobody classified. */
  UNKNOWN: 2,
  /** The request was understood and makes no sense. */
  INVALID_ARGUMENT: 3,
  /** No answer in time. */
  DEADLINE_EXCEEDED: 4,
  /** What was asked for is not there; for a route: no node serves it. */
  NOT_FOUND: 5,
  /** The server failed, or could not read the request. */
  INTERNAL: 6,
  /** The route needs a user, and the connection has none. */
  UNAUTHORIZED: 7,
  /** The call is not allowed in this state. */
  ILLEGAL_INVOKE: 8,
  /** The request is not allowed at all. */
  ILLEGAL_REQUEST: 9,
  /** The client sends faster than its requests can be handled. */
  TOO_MANY_REQUESTS: 10,
} as const;
