import { tone } from "./board";
import type { Player } from "./gen/arena/v1/arena_pb";
import { CallError, Status } from "./gen/due/index";

/** Lines that are kept. */
const LINES = 200;

/** What was said, what happened, and a line to say something. */
export class Chat {
  private readonly log = document.getElementById("chat-log") as HTMLElement;
  private readonly input = document.getElementById("chat-input") as HTMLInputElement;
  private readonly button = document.getElementById("send") as HTMLButtonElement;
  private readonly error = document.getElementById("chat-error") as HTMLElement;

  constructor(say: (text: string) => Promise<void>) {
    const form = document.getElementById("chat") as HTMLFormElement;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      this.error.textContent = "";
      if (!text) return;
      this.input.value = "";
      try {
        await say(text);
      } catch (error) {
        this.error.textContent = reason(error);
        // Nothing that was written is lost.
        this.input.value ||= text;
      }
    });
    this.input.addEventListener("input", () => (this.error.textContent = ""));
  }

  open(open: boolean): void {
    this.input.disabled = this.button.disabled = !open;
  }

  focus(): void {
    this.input.focus();
  }

  said(player: Player, text: string): void {
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.style.setProperty("--tone", tone(player.hue));
    name.append(isolated(player.name));
    line.append(name, isolated(text));
    this.add(line);
  }

  notice(text: string): void {
    const line = document.createElement("li");
    line.className = "notice";
    line.textContent = text;
    this.add(line);
  }

  private add(line: HTMLElement): void {
    const { log } = this;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(line);
    while (log.children.length > LINES) log.firstElementChild?.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

/** Why the server did not do it. */
function reason(error: unknown): string {
  if (error instanceof Status) return error.message || `The server says no (${error.code}).`;
  if (error instanceof CallError && error.kind === "timeout") return "The server does not answer.";
  return "There is no connection.";
}

/** Text of others, whose direction of writing is their own business. */
function isolated(text: string): HTMLElement {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}
