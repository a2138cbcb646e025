/** When to try again. The waits begin anew after a connection that lasted longer than the wait before it. */
export interface ReconnectOptions {
  /** Wait before the first attempt, in milliseconds. Default: 500. */
  min?: number | undefined;
  /** Longest wait, in milliseconds. Default: 30000. */
  max?: number | undefined;
  /** What each wait is to the one before. Default: 2. */
  factor?: number | undefined;
  /** Part of each wait that is left to chance, 0 to 1, so that clients do not come all at once. Default: 0.5. */
  jitter?: number | undefined;
}

/** Milliseconds to wait before attempt number `attempt`, which counts from 0. */
export function backoff(options: ReconnectOptions, attempt: number): number {
  const { min = 500, max = 30_000, factor = 2, jitter = 0.5 } = options;
  return Math.min(max, min * factor ** attempt) * (1 - jitter * Math.random());
}

/** Milliseconds to wait where all clients of a gate connect again and none has to: the part of the first wait that is left to chance. */
export function chance({ min = 500, jitter = 0.5 }: ReconnectOptions): number {
  return min * jitter * Math.random();
}
