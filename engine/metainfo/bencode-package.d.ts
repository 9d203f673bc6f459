/** Own declarations for `bencode` 4.0.1, which ships none: only what bencode.ts uses. */
declare module 'bencode' {
  const bencode: { encode(data: unknown): Uint8Array };
  export default bencode;
}
