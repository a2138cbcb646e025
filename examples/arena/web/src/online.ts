import { tone } from "./board";
import type { Player } from "./gen/arena/v1/arena_pb";

/** Who is here, the best first. */
export class Online {
  constructor(
    private readonly list: HTMLElement,
    private readonly count: HTMLElement,
  ) {}

  show(players: ReadonlyMap<number, Player>, me?: number): void {
    const ranked = [...players.values()].sort((a, b) => b.score - a.score || a.name.localeCompare(b.name));
    this.count.textContent = String(ranked.length);
    this.list.replaceChildren(...ranked.map((player) => entry(player, player.id === me)));
  }
}

function entry(player: Player, mine: boolean): HTMLElement {
  const entry = document.createElement("li");
  entry.style.setProperty("--tone", tone(player.hue));
  entry.classList.toggle("me", mine);
  const name = document.createElement("bdi");
  name.textContent = player.name;
  const score = document.createElement("span");
  score.textContent = String(player.score);
  score.ariaLabel = player.score === 1 ? "1 spark" : `${player.score} sparks`;
  entry.append(name, score);
  return entry;
}
