// Neither ES2020 nor every game engine has the DOM's types.
declare function setTimeout(run: () => void, milliseconds: number): unknown;
declare function clearTimeout(timer: unknown): void;

/** Runs once, later. A time that timers cannot count, about 24 days, never comes. */
export function after(milliseconds: number, run: () => void): unknown {
  return milliseconds < 2 ** 31 ? setTimeout(run, milliseconds) : undefined;
}

/** Of what `after` gave, or of nothing. */
export function cancel(timer: unknown): void {
  if (timer) clearTimeout(timer);
}
