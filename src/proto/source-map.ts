// Where the fields of a loaded message stand in the text, or texts, it came from.
import type { Path, PathPart } from "./path.ts";
import type { Tree } from "./tree.ts";

/** A place in a text. Line and column count from 1, the column in UTF-16 units. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

/** Finds where fields were written. */
export class SourceMap {
  readonly #layers: readonly Layer[];

  constructor(layers: readonly Layer[]) {
    this.#layers = layers;
  }

  /** Place of the field, or of the innermost part around it that the text has. */
  locate(path: Path): Place {
    let spots: Spot[] = this.#layers.map((layer) => ({
      layer,
      tree: layer.root,
      offset: layer.root?.start ?? 0,
    }));
    for (const part of path) {
      const next = typeof part === "number" ? element(spots, part) : spots.map((spot) => member(spot, part));
      const found = next.filter((spot) => spot !== undefined);
      if (found.length === 0) break;
      spots = found;
    }
    // Of several texts that have the field, the last one decides its value.
    const last = spots.at(-1)!;
    return last.layer.place(last.offset);
  }

  /** The map for the result of merging another text's message on top (see mergeMessage). */
  mergedWith(over: SourceMap): SourceMap {
    return new SourceMap([...this.#layers, ...over.#layers]);
  }
}

/** One text and its parsed form. */
export class Layer {
  readonly file: string;
  readonly root: Tree | undefined;
  readonly #text: string;
  #lineStarts: number[] | undefined;

  constructor(file: string, text: string, root: Tree | undefined) {
    this.file = file;
    this.#text = text;
    this.root = root;
  }

  /** Place of an offset of the text. */
  place(offset: number): Place {
    this.#lineStarts ??= lineStarts(this.#text);
    const starts = this.#lineStarts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - starts[low]! + 1 };
  }
}

interface Spot {
  layer: Layer;
  tree: Tree | undefined;
  offset: number;
}

function member(spot: Spot, part: Exclude<PathPart, number>): Spot | undefined {
  if (spot.tree?.kind !== "map") return undefined;
  const entry =
    typeof part === "object"
      ? spot.tree.entries.find((e) => e.key === part.key)
      : spot.tree.entries.find((e) => e.key === part || snakeCase(e.key) === part);
  return entry && { layer: spot.layer, tree: entry.value, offset: entry.keyStart };
}

/** Merged lists are the texts' lists one after another; a single value counts as a list of one. */
function element(spots: Spot[], index: number): (Spot | undefined)[] {
  let rest = index;
  for (const { layer, tree } of spots) {
    const items = tree === undefined ? [] : tree.kind === "seq" ? tree.items : [tree];
    const item = items[rest];
    if (item !== undefined) return [{ layer, tree: item, offset: item.start }];
    rest -= items.length;
  }
  return [];
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}
