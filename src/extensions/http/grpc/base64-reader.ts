/** Decodes base64 that comes in pieces. */
export class Base64Reader {
  /** Up to three characters that wait for the fourth. */
  #rest = "";

  /** Undefined when what came is no base64. */
  push(chunk: Buffer, end: boolean): Buffer | undefined {
    const text = this.#rest + chunk.toString("latin1");
    const whole = text.length - (text.length % 4);
    if (end && whole !== text.length) return undefined;
    this.#rest = text.slice(whole);
    const groups = text.slice(0, whole);
    return /^[A-Za-z0-9+/]*={0,2}$/.test(groups) ? Buffer.from(groups, "base64") : undefined;
  }
}
