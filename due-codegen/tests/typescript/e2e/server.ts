// The processes of this workspace that tests start, each on a free port of the loopback interface.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The workspace's root. */
export const root: string = fileURLToPath(new URL("../../../..", import.meta.url));

/** Builds the binaries of a package and gives the path of one of them. */
export function build(name: string, binary: string): string {
  const args = ["build", "--quiet", "--locked", "-p", name, "--bin", binary, "--message-format=json-render-diagnostics"];
  const output = execFileSync("cargo", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  for (const line of output.split("\n").filter((text) => text)) {
    const message = JSON.parse(line) as { executable?: string | null; target?: { name: string } };
    if (message.executable && message.target?.name === binary) return message.executable;
  }
  throw new Error(`cargo built no ${binary}`);
}

/** A server that ends with the test that started it. */
export class Server {
  private readonly child: ChildProcess;
  /** What it prints when it serves. */
  readonly line: Promise<string>;
  private readonly ended: Promise<void>;

  constructor(program: string, args: string[]) {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.child = child;
    this.ended = new Promise((resolve) => child.once("close", () => resolve()));
    this.line = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => reject(new Error(`${program} ended with ${code}`)));
      createInterface({ input: child.stdout! }).once("line", resolve);
    });
    // Whoever asks for the line hears of it.
    this.line.catch(() => undefined);
  }

  /** Stops it as it stops in production: what was accepted is answered. */
  async stop(): Promise<void> {
    this.child.stdin!.end();
    await this.ended;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}
