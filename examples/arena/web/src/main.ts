import { ArenaClient, onCaught, onJoined, onLeft, onMoved, onSaid, onScene } from "./gen/arena/v1/arena_due";
import { type Player, Refusal } from "./gen/arena/v1/arena_pb";
import { CallError, checkSkew, Client, schema, Session, Status } from "./gen/due/index";
import { Board } from "./board";
import { Chat } from "./chat";
import { Online } from "./online";
import { steering } from "./steering";

type State = "connecting" | "online" | "reconnecting";

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [boardElement, state, ping] = [element("board"), element("state"), element("ping")];
const entrance = element<HTMLFormElement>("entrance");
const [nameInput, nameError] = [element<HTMLInputElement>("name"), element("name-error")];

const board = new Board(boardElement, element("players"), element<HTMLCanvasElement>("sky"));
const online = new Online(element("online"), element("count"));
const players = new Map<number, Player>();

/** Who plays here; nobody before the first name was given. The key is what the place is known by after a lost connection. */
let me: { name: string; id?: number } | undefined;
const key = crypto.getRandomValues(new Uint8Array(16));

const client = new Client({ url: await gate(), heartbeat: 10_000, reconnect: { max: 5_000 } });
const skew = checkSkew(schema, { onSkew: ({ breaking }) => breaking && chat.notice("The game has changed: reload the page.") });
const arena = new ArenaClient(new Session(client, { skew }));
const chat = new Chat(async (text) => void (await arena.say({ text })));

client.onConnect(() => {
  if (me) void enter();
  else show("online");
  void measure();
});
client.onDisconnect(() => {
  if (state.dataset["state"] === "online" && me) chat.notice("The connection is lost.");
  show(state.dataset["state"] === "connecting" ? "connecting" : "reconnecting");
  chat.open(false);
  ping.textContent = "–";
});
arena.$session.onDismissed((status) => chat.notice(`The server says: ${status.message}.`));

onScene(client, (scene) => {
  players.clear();
  for (const player of scene.players) players.set(player.id, player);
  board.show(scene.players, scene.sparks);
  online.show(players, me?.id);
});
onJoined(client, ({ player }) => {
  if (!player) return;
  if (player.id !== me?.id) chat.notice(`${player.name} has joined.`);
  if (players.has(player.id)) return;
  players.set(player.id, player);
  board.add(player);
  online.show(players, me?.id);
});
onLeft(client, ({ id }) => {
  const player = players.get(id);
  if (!player) return;
  chat.notice(`${player.name} has left.`);
  players.delete(id);
  board.remove(id);
  online.show(players, me?.id);
});
onMoved(client, ({ moves }) => {
  for (const { id, at } of moves) if (at) board.move(id, at);
});
onSaid(client, ({ id, text }) => {
  const player = players.get(id);
  if (player) chat.said(player, text);
});
onCaught(client, ({ id, score, spark }) => {
  const player = players.get(id);
  if (player) player.score = score;
  if (!spark) return;
  board.burst(spark.id, player?.hue ?? 48);
  board.place(spark);
  online.show(players, me?.id);
});

steering(boardElement, board, (course) => {
  if (me?.id === undefined) return;
  boardElement.classList.add("moved");
  arena.steer({ course }).catch(() => {
    // The connection is lost: that is shown already.
  });
});

entrance.addEventListener("submit", (event) => {
  event.preventDefault();
  nameError.textContent = "";
  me = { name: nameInput.value };
  if (client.isConnected()) void enter();
});
addEventListener("keydown", (event) => {
  const elsewhere = event.target === document.body || event.target === boardElement;
  if (event.key === "Enter" && elsewhere) chat.focus();
  if (event.key === "Escape" && me) boardElement.focus();
});
nameInput.value = remembered();
nameInput.focus();
setInterval(() => void measure(), 2000);
client.connect();

/** Comes in, for the first time or again: after a lost connection the page does so by itself. */
async function enter(): Promise<void> {
  if (!me) return;
  const again = me.id !== undefined;
  try {
    const { id, name } = await arena.join({ name: me.name, key });
    me = { name, id };
    remember(name);
    board.mine(id);
    online.show(players, id);
    entrance.hidden = true;
    boardElement.classList.add("playing");
    chat.open(true);
    chat.notice(again ? "You are back." : `Welcome, ${name}!`);
    if (!again) boardElement.focus();
    show("online");
  } catch (error) {
    if (error instanceof Status && error.code !== Refusal.ALREADY_IN) {
      me = undefined;
      nameError.textContent = error.message;
      entrance.hidden = false;
      show("online");
      nameInput.focus();
    } else if (error instanceof CallError && error.kind === "timeout") {
      void enter();
    }
    // Else the connection is lost: the next one tries again.
  }
}

/** Where the gate is: the server of the page knows. */
async function gate(): Promise<string> {
  for (;;) {
    try {
      const answer = await fetch("/config.json");
      const { host, port } = (await answer.json()) as { host: string | null; port: number };
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      return `${scheme}://${host ?? location.hostname}:${port}/`;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

async function measure(): Promise<void> {
  if (!client.isConnected()) return;
  const begun = performance.now();
  try {
    await arena.ping();
    ping.textContent = String(Math.max(1, Math.round(performance.now() - begun)));
  } catch {
    ping.textContent = "–";
  }
}

function show(next: State): void {
  state.dataset["state"] = next;
  state.textContent = next === "online" ? next : `${next}…`;
  boardElement.classList.toggle("away", next === "reconnecting");
}

function remembered(): string {
  try {
    return localStorage.getItem("name") ?? "";
  } catch {
    return ""; // There are browsers that remember nothing.
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem("name", name);
  } catch {
    // As above.
  }
}
