/** How header names are written over HTTP/1.1, where somebody wants more than lower case. */
export interface HeaderCase {
  /** The written form of a lower-case name. */
  format(name: string): string;
}

/** "content-type" as "Content-Type": letters at the start and behind anything that is neither letter nor digit. */
export const properCase: HeaderCase = {
  format: (name) => name.replaceAll(/(?<![a-z0-9])[a-z]/g, (letter) => letter.toUpperCase()),
};

/** Names as a peer wrote them, and how to write those that are added. */
export class KeptCase implements HeaderCase {
  readonly #names = new Map<string, string>();
  readonly #added: HeaderCase | undefined;

  constructor(added: HeaderCase | undefined) {
    this.#added = added;
  }

  /** Remembers a name; the first form of it counts. */
  keep(name: string): void {
    const lower = name.toLowerCase();
    if (!this.#names.has(lower)) this.#names.set(lower, name);
  }

  format(name: string): string {
    return this.#names.get(name) ?? this.#added?.format(name) ?? name;
  }
}

/** `lines` of a header section, each ending in CRLF, with names in their written form. */
export function recase(lines: string, headerCase: HeaderCase): string {
  return lines.replaceAll(/^[^:\r\n]+(?=:)/gm, (name) => headerCase.format(name));
}
