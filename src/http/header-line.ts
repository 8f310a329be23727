import { HEADER_NAMES, type HeaderId } from "./header-name.ts";

/** A header that many messages get alike: the line is put together once. */
export class HeaderLine {
  readonly id: HeaderId;
  /** "name: value CRLF", the name in lower case. */
  readonly text: string;
  #value: string | undefined = undefined;

  /** @param text the line as it is written, for a well-known name */
  constructor(id: HeaderId, text: string) {
    this.id = id;
    this.text = text;
  }

  static of(id: HeaderId, value: string): HeaderLine {
    const line = new HeaderLine(id, `${HEADER_NAMES[id]}: ${value}\r\n`);
    line.#value = value;
    return line;
  }

  get value(): string {
    return (this.#value ??= this.text.slice(HEADER_NAMES[this.id]!.length + 2, -2));
  }
}
