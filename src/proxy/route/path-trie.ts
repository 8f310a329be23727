/** A node of a compressed trie over paths. Lists hold route numbers in ascending order. */
export class TrieNode {
  /** Characters on the way from the parent to here, the first included. */
  label: string;
  /** Routes whose prefix ends here (a regex: its literal beginning). */
  prefixes: number[] | undefined;
  /** Routes whose whole path ends here. */
  exact: number[] | undefined;
  /** Routes whose prefix ends here and must be followed by "/" or nothing. */
  separated: number[] | undefined;
  /** Children by first character, from `base` on: a lookup is one array access. */
  #base = 0;
  #children: (TrieNode | undefined)[] = [];

  constructor(label: string) {
    this.label = label;
  }

  child(code: number): TrieNode | undefined {
    const index = code - this.#base;
    return index >= 0 && index < this.#children.length ? this.#children[index] : undefined;
  }

  /** The node for `key` below this one, made if need be. */
  insert(key: string): TrieNode {
    // oxlint-disable-next-line typescript/no-this-alias
    let node: TrieNode = this;
    let at = 0;
    while (at < key.length) {
      const next = node.child(key.charCodeAt(at));
      if (next === undefined) {
        const leaf = new TrieNode(key.slice(at));
        node.#attach(leaf);
        return leaf;
      }
      const common = commonLength(next.label, key, at);
      node = common === next.label.length ? next : node.#split(next, common);
      at += common;
    }
    return node;
  }

  #attach(child: TrieNode): void {
    const code = child.label.charCodeAt(0);
    if (this.#children.length === 0) this.#base = code;
    while (code < this.#base) {
      this.#children.unshift(undefined);
      this.#base--;
    }
    while (code - this.#base >= this.#children.length) this.#children.push(undefined);
    this.#children[code - this.#base] = child;
  }

  /** Puts a node after the first `length` characters of `child`'s label. */
  #split(child: TrieNode, length: number): TrieNode {
    const middle = new TrieNode(child.label.slice(0, length));
    child.label = child.label.slice(length);
    middle.#attach(child);
    this.#attach(middle);
    return middle;
  }
}

/** How many characters of `label` stand in `text` at `at`. */
function commonLength(label: string, text: string, at: number): number {
  let length = 1;
  while (
    length < label.length &&
    at + length < text.length &&
    label.charCodeAt(length) === text.charCodeAt(at + length)
  )
    length++;
  return length;
}
