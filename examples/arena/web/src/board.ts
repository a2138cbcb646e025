import type { Player, Point, Spark } from "./gen/arena/v1/arena_pb";

/** Width and height of the board, in its own measure. */
const SIDE = 1000;
/** Between the outermost places and the edge, in pixels. */
const MARGIN = 24;
/** Between two rounds of the server's news, in milliseconds. */
const ROUND = 50;
/** How long a trail is, in milliseconds. */
const TRAIL = 420;

type Place = { x: number; y: number };

/** Where everybody is, drawn: players are elements, the rest is painted. */
export class Board {
  private readonly context: CanvasRenderingContext2D;
  private readonly tokens = new Map<number, Token>();
  private readonly sparks = new Map<number, { at: Place; since: number }>();
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private glimmers: Glimmer[] = [];
  private goal?: Place;
  private me?: number;
  private size = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly players: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser does not paint");
    this.context = context;
    new ResizeObserver(() => this.measure()).observe(element);
    const frame = (now: number) => {
      this.paint(now);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Everything anew. */
  show(players: Player[], sparks: Spark[]): void {
    for (const id of [...this.tokens.keys()]) this.remove(id);
    this.sparks.clear();
    for (const player of players) this.add(player);
    for (const spark of sparks) this.place(spark);
  }

  add(player: Player): void {
    if (!player.at) return;
    this.remove(player.id);
    const token = new Token(player, player.at, player.id === this.me);
    this.players.append(token.element);
    token.measure();
    this.tokens.set(player.id, token);
  }

  remove(id: number): void {
    this.tokens.get(id)?.element.remove();
    this.tokens.delete(id);
  }

  move(id: number, at: Point): void {
    this.tokens.get(id)?.move(at, performance.now());
  }

  place(spark: Spark): void {
    if (spark.at) this.sparks.set(spark.id, { at: spark.at, since: performance.now() });
  }

  /** A spark is gone from where it was, in the colour of who has it now. */
  burst(spark: number, hue: number): void {
    const gone = this.sparks.get(spark);
    if (!gone || this.calm.matches) return;
    const since = performance.now();
    for (let index = 0; index < 18; index++) {
      const angle = (index / 18) * 2 * Math.PI;
      const speed = 60 + 110 * Math.random();
      this.glimmers.push({ at: gone.at, dx: Math.cos(angle) * speed, dy: Math.sin(angle) * speed, hue, since });
    }
  }

  /** Whose way the goal is. */
  mine(id: number): void {
    this.me = id;
    for (const [other, token] of this.tokens) token.element.classList.toggle("me", other === id);
  }

  aim(goal?: Place): void {
    this.goal = goal;
  }

  /** The place under a pointer. */
  under(event: PointerEvent): Place {
    const box = this.element.getBoundingClientRect();
    const place = (pixels: number) => {
      const part = (pixels - MARGIN) / (box.width - 2 * MARGIN);
      return Math.round(SIDE * Math.min(1, Math.max(0, part)));
    };
    return { x: place(event.clientX - box.left), y: place(event.clientY - box.top) };
  }

  private measure(): void {
    const sharpness = Math.min(devicePixelRatio, 2);
    this.size = this.element.clientWidth;
    this.canvas.width = this.canvas.height = this.size * sharpness;
    this.context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
    for (const token of this.tokens.values()) token.measure();
  }

  private pixels(place: number): number {
    return MARGIN + (place / SIDE) * (this.size - 2 * MARGIN);
  }

  private paint(now: number): void {
    const { context } = this;
    context.clearRect(0, 0, this.size, this.size);
    for (const token of this.tokens.values()) {
      token.advance(now);
      if (!this.calm.matches) this.paintTrail(token, now);
      token.put(this.pixels(token.x), this.pixels(token.y), this.size);
    }
    for (const [id, spark] of this.sparks) this.paintSpark(id, spark.at, now - spark.since, now);
    this.glimmers = this.glimmers.filter((glimmer) => now - glimmer.since < 700);
    for (const glimmer of this.glimmers) this.paintGlimmer(glimmer, (now - glimmer.since) / 1000);
    this.paintGoal(now);
  }

  private paintTrail(token: Token, now: number): void {
    const { context } = this;
    const steps = token.trail;
    for (let index = 1; index < steps.length; index++) {
      const [from, to] = [steps[index - 1]!, steps[index]!];
      let [x, y] = [this.pixels(from.x), this.pixels(from.y)];
      const [right, down] = [this.pixels(to.x) - x, this.pixels(to.y) - y];
      // Short pieces, so that it thins out evenly however few frames there are.
      const pieces = Math.ceil(Math.hypot(right, down) / 2);
      for (let piece = 1; piece <= pieces; piece++) {
        const at = from.at + ((to.at - from.at) * piece) / pieces;
        const fresh = Math.max(0, 1 - (now - at) / TRAIL);
        context.strokeStyle = `hsl(${token.hue} 90% 68% / ${0.5 * fresh})`;
        context.lineWidth = 2 + 18 * fresh;
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo((x += right / pieces), (y += down / pieces));
        context.stroke();
      }
    }
  }

  private paintSpark(id: number, at: Place, age: number, now: number): void {
    const { context } = this;
    const calm = this.calm.matches;
    const pop = calm ? 1 : Math.min(1, Math.max(0, age / 250)); // A frame may be older than the news in it.
    const radius = pop * (calm ? 12 : 11.5 + 1.8 * Math.sin(now / 260 + 2 * id));
    const [x, y] = [this.pixels(at.x), this.pixels(at.y)];
    const glow = context.createRadialGradient(x, y, 0, x, y, radius * 3);
    glow.addColorStop(0, "#ffd76a66");
    glow.addColorStop(1, "#ffd76a00");
    context.fillStyle = glow;
    context.fillRect(x - radius * 3, y - radius * 3, radius * 6, radius * 6);
    context.fillStyle = "#ffe08a";
    context.beginPath();
    for (let tip = 0; tip < 8; tip++) {
      const reach = tip % 2 ? radius * 0.32 : radius;
      const angle = (tip / 8) * 2 * Math.PI + (calm ? 0 : 0.25 * Math.sin(now / 900 + id));
      context.lineTo(x + reach * Math.sin(angle), y - reach * Math.cos(angle));
    }
    context.fill();
  }

  private paintGlimmer({ at, dx, dy, hue }: Glimmer, age: number): void {
    const { context } = this;
    const slowed = 1 - Math.exp(-3 * age);
    context.fillStyle = `hsl(${hue} 95% 75% / ${1 - age / 0.7})`;
    context.beginPath();
    context.arc(this.pixels(at.x) + (dx * slowed) / 3, this.pixels(at.y) + (dy * slowed) / 3, 2.4, 0, 2 * Math.PI);
    context.fill();
  }

  private paintGoal(now: number): void {
    const me = this.me === undefined ? undefined : this.tokens.get(this.me);
    if (!this.goal || !me) return;
    if (Math.hypot(me.x - this.goal.x, me.y - this.goal.y) < 8) {
      this.goal = undefined;
      return;
    }
    const { context } = this;
    context.strokeStyle = "#ffffff88";
    context.lineWidth = 1.5;
    context.beginPath();
    const radius = this.calm.matches ? 9 : 9 + 2 * Math.sin(now / 140);
    context.arc(this.pixels(this.goal.x), this.pixels(this.goal.y), radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** A grain of a spark that was caught. */
interface Glimmer {
  at: Place;
  dx: number;
  dy: number;
  hue: number;
  since: number;
}

/** One player, on the way from where it was seen to where it is. */
class Token {
  readonly element = document.createElement("div");
  readonly hue: number;
  trail: (Place & { at: number })[] = [];
  x: number;
  y: number;
  private readonly label = document.createElement("b");
  private labelWidth = 0;
  private from: Place;
  private to: Place;
  private told = 0;
  private duration = ROUND;

  constructor(player: Player, at: Point, mine: boolean) {
    this.hue = player.hue;
    this.x = at.x;
    this.y = at.y;
    this.from = this.to = { x: at.x, y: at.y };
    this.element.className = mine ? "player me" : "player";
    this.element.dataset["testid"] = `player-${player.name}`;
    this.element.style.setProperty("--tone", tone(player.hue));
    const name = document.createElement("bdi");
    name.textContent = player.name;
    this.label.append(name);
    this.element.append(document.createElement("i"), this.label);
    this.say();
  }

  /** Goes there within the time that news take, so that it arrives when the next ones do. */
  move(at: Point, now: number): void {
    this.from = { x: this.x, y: this.y };
    this.to = { x: at.x, y: at.y };
    this.duration = 1.15 * Math.min(2 * ROUND, Math.max(ROUND, now - this.told));
    this.told = now;
    this.say();
  }

  advance(now: number): void {
    const part = Math.min(1, Math.max(0, (now - this.told) / this.duration));
    this.x = this.from.x + (this.to.x - this.from.x) * part;
    this.y = this.from.y + (this.to.y - this.from.y) * part;
    this.trail = this.trail.filter((step) => now - step.at < TRAIL);
    this.trail.push({ x: this.x, y: this.y, at: now });
  }

  put(x: number, y: number, size: number): void {
    this.element.style.transform = `translate(${x}px, ${y}px)`;
    const left = Math.min(size - this.labelWidth - 6 - x, Math.max(6 - x, -this.labelWidth / 2));
    this.label.style.transform = `translate(${left}px, ${y < 60 ? 20 : -42}px)`;
  }

  measure(): void {
    this.labelWidth = this.label.offsetWidth;
  }

  /** Where the server says that it is: for whoever cannot see it. */
  private say(): void {
    this.element.dataset["x"] = String(this.to.x);
    this.element.dataset["y"] = String(this.to.y);
  }
}

/** A player's colour. */
export function tone(hue: number): string {
  return `hsl(${hue} 90% 68%)`;
}
