import { Client, type Connection, type MessagePacker, Packer, type Session } from "@due/index";
import type { CallOptions } from "@due/session";
import { Session as SessionClass, sessionOf } from "@due/session";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, expectTypeOf, test } from "vitest";
import { type GreetResponse, GreetRequestSchema, GreetResponseSchema, type Moved, MovedSchema } from "../gen/arena_pb";
import * as original from "./original";
import { FakeSocket } from "./sockets";

/** A stub, as the generator writes it. */
class ArenaClient {
  readonly $session: Session;
  constructor(connection: Connection | Session) {
    this.$session = sessionOf(connection);
  }
  greet(request: MessageInitShape<typeof GreetRequestSchema>, options?: CallOptions): Promise<GreetResponse> {
    return this.$session.call(1, GreetRequestSchema, GreetResponseSchema, request, options, "code", "message");
  }
  move(request: MessageInitShape<typeof MovedSchema>, options?: CallOptions): Promise<void> {
    return this.$session.send(11, MovedSchema, request, options);
  }
}

function onMoved(connection: Connection | Session, listener: (message: Moved) => void): () => void {
  return sessionOf(connection).on(12, MovedSchema, listener);
}

test("stubs take either client, or a session", async () => {
  const ours = new Client({ url: "ws://gate", webSocket: FakeSocket });
  const theirs = new original.Client({ url: "ws://gate" });
  for (const connection of [ours, theirs, new SessionClass(new Client({ url: "" }))]) {
    const arena = new ArenaClient(connection);
    await expect(arena.greet({ name: "due" }, { timeout: 5, signal: new AbortController().signal })).rejects.toThrow("connection closed");
    await expect(arena.move({})).rejects.toThrow("connection closed");
    onMoved(connection, (moved) => void moved.dx)();
  }
});

test("what programs write for the original compiles with ours", () => {
  expectTypeOf<original.Client>().toMatchTypeOf<Connection>();
  expectTypeOf<Client>().toMatchTypeOf<Connection>();
  expectTypeOf<original.Packer>().toMatchTypeOf<MessagePacker>();
  expectTypeOf<typeof WebSocket>().toMatchTypeOf<NonNullable<ConstructorParameters<typeof Client>[0]["webSocket"]>>();

  const client = new Client({ url: "ws://gate", packer: new Packer({ byteOrder: "big", routeBytes: 2, seqBytes: 2, bufferBytes: 5000 }), heartbeat: 1000, webSocket: FakeSocket });
  client.onConnect((client: Client) => client.isConnected());
  client.onConnect(async () => {});
  client.onDisconnect((client: Client) => client.connect());
  client.onError(() => {});
  client.onHeartbeat((_: Client, millisecond?: number) => millisecond);
  client.onReceive((client: Client, message: original.Message) => client.send({ ...message, seq: 0 }));
  const answer: Promise<original.Message> = client.request(1, new Uint8Array(1), 5).then(({ route }) => ({ route }));
  const opened: boolean = client.connect();
  client.disconnect();
  return expect(answer.then(() => opened)).rejects.toThrow("connection closed");
});
