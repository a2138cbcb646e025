// The server of this project on a free port, for as long as a test needs it.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The folder with Cargo.toml. */
const root = fileURLToPath(new URL("../..", import.meta.url));

export class Server {
  private constructor(
    private readonly child: ChildProcess,
    private readonly ended: Promise<unknown>,
    /** Where it serves. */
    readonly url: string,
  ) {}

  /** Builds it if it has changed, and waits until it serves. */
  static async start(): Promise<Server> {
    const child = spawn("cargo", ["run", "--quiet"], {
      cwd: root,
      env: { ...process.env, DUE_ETC_NETWORK_WS_SERVER_ADDR: "127.0.0.1:0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const url = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => reject(new Error(`the server ended with ${code}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const serving = /^serving (ws:\S+)$/.exec(line);
        if (serving?.[1]) resolve(serving[1]);
      });
    });
    return new Server(child, ended, url);
  }

  /** As it stops in production: what was accepted is answered. */
  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.ended;
  }
}
