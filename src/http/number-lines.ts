import { HeaderLine } from "./header-line.ts";
import type { HeaderId } from "./header-name.ts";

/** Numbers below this have their lines kept. */
const KEPT = 1000;

/** The lines of a header whose value is a whole number, such as milliseconds: the usual ones are made once. */
export class NumberLines {
  readonly #id: HeaderId;
  readonly #small: (HeaderLine | undefined)[] = [];
  #last: HeaderLine;
  #lastValue = 0;

  constructor(id: HeaderId) {
    this.#id = id;
    this.#last = HeaderLine.of(id, "0");
  }

  /** @param value whole, not negative */
  of(value: number): HeaderLine {
    if (value === this.#lastValue) return this.#last;
    const line = value < KEPT ? this.#ofSmall(value) : HeaderLine.of(this.#id, String(value));
    this.#lastValue = value;
    return (this.#last = line);
  }

  #ofSmall(value: number): HeaderLine {
    while (this.#small.length <= value) this.#small.push(undefined);
    return (this.#small[value] ??= HeaderLine.of(this.#id, String(value)));
  }
}
