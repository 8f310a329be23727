import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

/** Names of a hosts file, read anew when the file changes. A file that cannot be read has no names. */
export class HostsFile {
  readonly #path: string;
  #version = "";
  #addresses = new Map<string, string[]>();

  constructor(path = "/etc/hosts") {
    this.#path = path;
  }

  /** Addresses of a name, in the order of the file. */
  lookup(name: string, family: 4 | 6): readonly string[] {
    this.#refresh();
    const found = this.#addresses.get(name.toLowerCase()) ?? [];
    return found.filter((address) => isIP(address) === family);
  }

  #refresh(): void {
    try {
      const { mtimeMs, size } = statSync(this.#path);
      const version = `${mtimeMs} ${size}`;
      if (version === this.#version) return;
      this.#addresses = parse(readFileSync(this.#path, "utf8"));
      this.#version = version;
    } catch {
      this.#addresses = new Map();
      this.#version = "";
    }
  }
}

function parse(text: string): Map<string, string[]> {
  const addresses = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (address === undefined || isIP(address) === 0) continue;
    for (const name of names) {
      const known = addresses.get(name.toLowerCase());
      if (known === undefined) addresses.set(name.toLowerCase(), [address]);
      else known.push(address);
    }
  }
  return addresses;
}
