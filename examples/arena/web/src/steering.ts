import type { Board } from "./board";

/** Where somebody wants to go. */
export type Course =
  | { case: "target"; value: { x: number; y: number } }
  | { case: "heading"; value: { x: number; y: number } }
  | { case: undefined };

/** Between two messages while a finger moves, in milliseconds. */
const PAUSE = 70;

const KEYS: Record<string, readonly [number, number]> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  KeyW: [0, -1],
  KeyS: [0, 1],
  KeyA: [-1, 0],
  KeyD: [1, 0],
};

/** Turns keys, mouse and fingers into courses. */
export function steering(element: HTMLElement, board: Board, steer: (course: Course) => void): void {
  const held = new Set<string>();
  let before = "0 0";

  const turn = () => {
    let [x, y] = [0, 0];
    for (const key of held) {
      const [right, down] = KEYS[key]!;
      x += right;
      y += down;
    }
    [x, y] = [100 * Math.sign(x), 100 * Math.sign(y)];
    if (before === `${x} ${y}`) return;
    before = `${x} ${y}`;
    board.aim();
    steer(x || y ? { case: "heading", value: { x, y } } : { case: undefined });
  };

  addEventListener("keydown", (event) => {
    const writing = event.target instanceof HTMLInputElement;
    if (!(event.code in KEYS) || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    held.add(event.code);
    turn();
  });
  addEventListener("keyup", (event) => {
    if (held.delete(event.code)) turn();
  });
  addEventListener("blur", () => {
    held.clear();
    turn();
  });

  let last = 0;
  let later: number | undefined;
  const point = (event: PointerEvent) => {
    const goal = board.under(event);
    board.aim(goal);
    clearTimeout(later);
    const go = () => {
      last = performance.now();
      steer({ case: "target", value: goal });
    };
    const wait = last + PAUSE - performance.now();
    if (wait <= 0) go();
    else later = setTimeout(go, wait);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    point(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) point(event);
  });
}
