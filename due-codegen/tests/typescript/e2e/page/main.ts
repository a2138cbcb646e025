// What the browser's half of the suite runs: players by number, called by name.

import { Client as Original, Packer } from "../../unit/original";
import { Player } from "../player";

const players: Player[] = [];

declare global {
  interface Window {
    newPlayer(): number;
    player(index: number): Player;
  }
}

window.newPlayer = () => players.push(new Player(undefined, (url) => new Original({ url, heartbeat: 0, packer: new Packer() }))) - 1;
window.player = (index) => {
  const player = players[index];
  if (!player) throw new Error(`no player ${index}`);
  return player;
};
