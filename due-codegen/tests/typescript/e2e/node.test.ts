import { WebSocket } from "ws";

import { Client as Original, Packer } from "../unit/original";
import { Player } from "./player";
import { type Remote, suite } from "./suite";

Object.assign(globalThis, { WebSocket });

suite(async () => new Player(WebSocket, (url) => new Original({ url, heartbeat: 0, packer: new Packer() })) as unknown as Remote);
