// JSON text (RFC 8259, strict) → tree with offsets.
import type { Entry, Parsed, Tree } from "./tree.ts";

const MAX_DEPTH = 100;

/** Parses JSON text. Stops at the first syntax error. */
export function parseJsonTree(text: string): Parsed {
  const parser = new Parser(text);
  try {
    return { root: parser.document(), problems: [] };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return { root: undefined, problems: [{ offset: error.offset, message: error.message }] };
  }
}

class JsonSyntaxError extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

const SPACE = /[ \t\r\n]*/y;
// oxlint-disable-next-line no-control-regex -- RFC 8259, section 7: control characters must be escaped
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1;
  }

  document(): Tree {
    const root = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail("expected the end of the text");
    return root;
  }

  #value(depth: number): Tree {
    if (depth > MAX_DEPTH) this.#fail("nested too deeply");
    this.#space();
    const start = this.#at;
    switch (this.#text[start]) {
      case "{":
        return { kind: "map", start, entries: this.#entries(depth) };
      case "[":
        return { kind: "seq", start, items: this.#items(depth) };
      case '"': {
        const value = this.#string();
        return { kind: "scalar", start, value, source: value };
      }
    }
    const word = this.#match(WORD);
    if (word !== undefined) {
      return { kind: "scalar", start, value: word === "null" ? null : word === "true", source: word };
    }
    const number = this.#match(NUMBER);
    if (number === undefined) this.#fail("expected a value");
    return { kind: "scalar", start, value: Number(number), source: number };
  }

  #entries(depth: number): Entry[] {
    const entries: Entry[] = [];
    this.#at++;
    if (this.#take("}")) return entries;
    do {
      this.#space();
      const keyStart = this.#at;
      if (this.#text[keyStart] !== '"') this.#fail("expected a key in double quotes");
      const key = this.#string();
      if (!this.#take(":")) this.#fail('expected ":"');
      entries.push({ key, keyStart, value: this.#value(depth + 1) });
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail('expected "," or "}"');
    return entries;
  }

  #items(depth: number): Tree[] {
    const items: Tree[] = [];
    this.#at++;
    if (this.#take("]")) return items;
    do items.push(this.#value(depth + 1));
    while (this.#take(","));
    if (!this.#take("]")) this.#fail('expected "," or "]"');
    return items;
  }

  #string(): string {
    const start = this.#at;
    const quoted = this.#match(STRING);
    if (quoted === undefined) this.#fail("unterminated string");
    if (!quoted.includes("\\")) return quoted.slice(1, -1);
    try {
      return JSON.parse(quoted) as string;
    } catch {
      this.#at = start;
      this.#fail("bad escape in a string");
    }
  }

  #take(mark: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #fail(message: string): never {
    const found = this.#at < this.#text.length ? JSON.stringify(this.#text[this.#at]) : "the end";
    throw new JsonSyntaxError(this.#at, `${message}, found ${found}`);
  }
}
