/** A message has no packet, or bytes are not one. */
export class PacketError extends Error {
  override readonly name = "PacketError";
}
