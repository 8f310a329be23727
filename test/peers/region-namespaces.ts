import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

/** Network namespaces on one bridge, one for each region; each can be cut off. */
export class RegionNamespaces {
  /** Where the outside is, as the regions see it. */
  readonly outside: string;
  readonly #tag = `w${process.pid % 100_000}`;
  readonly #names: readonly string[];
  readonly #net: string;

  /** Why there can be none; undefined when there can. */
  static problem(): string | undefined {
    if (process.getuid?.() !== 0) return "needs root, to make network namespaces";
    const { status } = spawnSync("ip", ["netns", "list"]);
    return status === 0 ? undefined : "needs the command ip (iproute2) and network namespaces";
  }

  constructor(context: TestContext, names: readonly string[]) {
    this.#names = names;
    this.#net = `10.${100 + (process.pid % 100)}.${process.pid % 250}`;
    this.outside = `${this.#net}.254`;
    context.after(() => this.#remove());
    const bridge = `${this.#tag}b`;
    ip(`link add ${bridge} type bridge`);
    ip(`addr add ${this.outside}/24 dev ${bridge}`);
    ip(`link set ${bridge} up`);
    names.forEach((name, i) => {
      const space = this.#space(name);
      ip(`netns add ${space}`);
      ip(`link add ${this.#link(i)} type veth peer name eth0 netns ${space}`);
      ip(`link set ${this.#link(i)} master ${bridge} up`);
      ip(`-n ${space} addr add ${this.address(name)}/24 dev eth0`);
      ip(`-n ${space} link set eth0 up`);
      ip(`-n ${space} link set lo up`);
    });
  }

  /** Address of a region. */
  address(name: string): string {
    return `${this.#net}.${1 + this.#names.indexOf(name)}`;
  }

  /** Command to put in front of one that is to run in a region. */
  inside(name: string): string[] {
    return ["ip", "netns", "exec", this.#space(name)];
  }

  /** Takes a region from the net, or brings it back. */
  cut(name: string, off: boolean): void {
    ip(`link set ${this.#link(this.#names.indexOf(name))} ${off ? "down" : "up"}`);
  }

  #space(name: string): string {
    return `${this.#tag}-${name}`;
  }

  #link(index: number): string {
    return `${this.#tag}l${index}`;
  }

  #remove(): void {
    // A namespace lives on while a program runs in it; what ties it to the bridge goes now.
    this.#names.forEach((name, i) => {
      spawnSync("ip", ["link", "del", this.#link(i)]);
      spawnSync("ip", ["netns", "del", this.#space(name)]);
    });
    spawnSync("ip", ["link", "del", `${this.#tag}b`]);
  }
}

function ip(command: string): void {
  const { status, stderr } = spawnSync("ip", command.split(" "), { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${command}: ${stderr}`);
}
