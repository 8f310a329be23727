// Decides which RE2 patterns V8 may run. V8 backtracks, so a pattern passes only if its worst case is provably linear
// in the text and if every construct in it means the same in both engines for ASCII text.

/** How V8 may run a pattern. */
export interface V8Form {
  /** Source for `RegExp`, without anchors added. */
  readonly source: string;
  /** Whether a search from every position is linear too: there is no unbounded repeat, or the pattern begins with "^". */
  readonly search: boolean;
  /** Whether captures mean the same in both engines: no group is repeated. */
  readonly captures: boolean;
}

/** The V8 form of a pattern that RE2 accepts, or undefined if it is not proven safe. */
export function v8Form(pattern: string): V8Form | undefined {
  try {
    const parser = new Parser(pattern);
    const body = parser.alternatives();
    if (parser.at !== pattern.length || body.ways > MAX_WAYS || !isLinear(body)) return undefined;
    const anchored = pattern.startsWith("^") && body.branches === 1;
    return {
      source: parser.source,
      search: !body.unbounded || anchored,
      captures: !parser.repeatedGroup,
    };
  } catch (error) {
    if (error === UNSAFE) return undefined;
    throw error;
  }
}

/** Upper bound of the paths that a backtracking engine can take through the bounded parts. */
const MAX_WAYS = 64;
const UNSAFE = new Error("unsafe");
const SPECIAL = "\\.+*?()|[]{}^$";
const ESCAPABLE = /[!-/:-@[-`{-~]/;

/** One position of a concatenation: a set of characters or a group, with its repeat. */
interface Item {
  /** Characters it may begin with, as a bit per ASCII code. */
  readonly first: Uint8Array;
  readonly nullable: boolean;
  readonly unbounded: boolean;
  readonly ways: number;
}

interface Body extends Item {
  readonly branches: number;
  /** The items of the only branch; undefined with several. */
  readonly items: readonly Item[] | undefined;
}

/**
 * Unbounded repeats stand only at the top level and over single characters. Each but one must be left at the first
 * character that it cannot take, so that backtracking into it fails at once; the free one comes last among them.
 */
function isLinear(body: Body): boolean {
  if (!body.unbounded) return true;
  const items = body.items;
  if (items === undefined) return false;
  for (let i = 0; i < items.length; i++) {
    if (!items[i]!.unbounded || isDeterministic(items, i)) continue;
    return items.findIndex((item, at) => at > i && item.unbounded) < 0;
  }
  return true;
}

function isDeterministic(items: readonly Item[], at: number): boolean {
  const next = items[at + 1];
  if (next === undefined) return true;
  if (next.nullable) return false;
  const own = items[at]!.first;
  return next.first.every((bit, code) => bit === 0 || own[code] === 0);
}

class Parser {
  readonly #pattern: string;
  at = 0;
  source = "";
  repeatedGroup = false;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  alternatives(): Body {
    const first = new Uint8Array(128);
    let nullable = false;
    let unbounded = false;
    let ways = 0;
    let branches = 0;
    let items: Item[] = [];
    for (;;) {
      items = this.#concatenation();
      branches++;
      ways += items.reduce((product, item) => product * item.ways, 1);
      unbounded ||= items.some((item) => item.unbounded);
      nullable ||= items.every((item) => item.nullable);
      for (const item of items) {
        union(first, item.first);
        if (!item.nullable) break;
      }
      if (this.#pattern[this.at] !== "|") break;
      this.#take(1);
    }
    return { first, nullable, unbounded, ways, branches, items: branches === 1 ? items : undefined };
  }

  #concatenation(): Item[] {
    const items: Item[] = [];
    for (;;) {
      const char = this.#pattern[this.at];
      if (char === undefined || char === "|" || char === ")") return items;
      if (char === "^" && this.at === 0) this.#take(1);
      else if (char === "$" && this.at === this.#pattern.length - 1) this.#take(1);
      else items.push(...this.#items());
    }
  }

  /** What stands next, with its repeat. A group that is not repeated and has one branch counts as its items. */
  #items(): readonly Item[] {
    const group = this.#pattern[this.at] === "(" ? this.#group() : undefined;
    const atom = group ?? this.#single();
    const [min, max] = this.#repeat();
    if (min === 1 && max === 1) {
      if (group?.items !== undefined) return group.items;
      if (atom.unbounded) throw UNSAFE;
      return [atom];
    }
    if (group !== undefined) this.repeatedGroup = true;
    if (max === Infinity) {
      if (group !== undefined) throw UNSAFE;
      return [{ first: atom.first, nullable: min === 0, unbounded: true, ways: 1 }];
    }
    if (atom.unbounded) throw UNSAFE;
    let ways = 0;
    for (let count = min; count <= max && ways <= MAX_WAYS; count++) ways += atom.ways ** count;
    return [{ first: atom.first, nullable: min === 0 || atom.nullable, unbounded: false, ways }];
  }

  #group(): Body {
    this.#take(1);
    if (this.#pattern[this.at] === "?") {
      if (this.#pattern[this.at + 1] !== ":") throw UNSAFE;
      this.#take(2);
    }
    const body = this.alternatives();
    if (this.#pattern[this.at] !== ")") throw UNSAFE;
    this.#take(1);
    return body;
  }

  /** A literal, an escape, "." or a class; appended to the source in a form that V8 reads the same way. */
  #single(): Item {
    const char = this.#pattern[this.at]!;
    const first = new Uint8Array(128);
    if (char === "[") this.#class(first);
    else if (char === ".") {
      this.at++;
      this.source += "[^\\n]";
      first.fill(1);
      first[10] = 0;
    } else if (char === "\\") this.#escape(first);
    else {
      if (SPECIAL.includes(char) || char < " " || char > "~") throw UNSAFE;
      first[char.charCodeAt(0)] = 1;
      this.at++;
      this.source += char === "/" ? "\\/" : char;
    }
    return { first, nullable: false, unbounded: false, ways: 1 };
  }

  #escape(set: Uint8Array): void {
    const char = this.#pattern[this.at + 1];
    if (char === undefined) throw UNSAFE;
    if (char === "d" || char === "w") addClass(set, char);
    else if (ESCAPABLE.test(char)) set[char.charCodeAt(0)] = 1;
    else throw UNSAFE;
    this.#take(2);
  }

  #class(first: Uint8Array): void {
    const end = /^\[\^?(?:\\[!-/:-@[-`{-~dw]|[^\\[\]])+\]/.exec(this.#pattern.slice(this.at));
    if (end === null) throw UNSAFE;
    const text = end[0];
    for (const char of text) if (char < " " || char > "~") throw UNSAFE;
    // The text is plain ASCII with simple escapes: both engines read it alike, so V8 can list its members.
    const matcher = new RegExp(`^${text}$`);
    for (let code = 0; code < 128; code++) if (matcher.test(String.fromCharCode(code))) first[code] = 1;
    this.#take(text.length);
  }

  #repeat(): [min: number, max: number] {
    const match = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.#pattern.slice(this.at, this.at + 16));
    if (match === null) return [1, 1];
    this.#take(match[0].length);
    if ("*+?{".includes(this.#pattern[this.at] ?? " ")) throw UNSAFE;
    switch (match[0][0]) {
      case "*":
        return [0, Infinity];
      case "+":
        return [1, Infinity];
      case "?":
        return [0, 1];
      default: {
        const min = Number(match[1]);
        if (match[2] === "") return [min, min];
        return [min, match[3] === "" ? Infinity : Number(match[3])];
      }
    }
  }

  #take(length: number): void {
    this.source += this.#pattern.slice(this.at, this.at + length);
    this.at += length;
  }
}

function union(into: Uint8Array, from: Uint8Array): void {
  for (let code = 0; code < 128; code++) if (from[code] === 1) into[code] = 1;
}

function addClass(set: Uint8Array, name: "d" | "w"): void {
  const members = name === "d" ? /\d/ : /\w/;
  for (let code = 0; code < 128; code++) if (members.test(String.fromCharCode(code))) set[code] = 1;
}
