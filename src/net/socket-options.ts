import type { Server, Socket } from "node:net";

/** What is used of node:ffi, which Node 26 has and older ones do not. */
interface Ffi {
  dlopen(
    library: null,
    functions: Readonly<Record<string, object>>,
  ): { readonly functions: Readonly<Record<string, (...values: unknown[]) => number>> };
  getRawPointer(bytes: Buffer): bigint;
}

/** Levels and names of Linux's socket options. */
export const SocketOption = {
  OriginalDst4: { level: 0, name: 80 },
  OriginalDst6: { level: 41, name: 80 },
  Transparent4: { level: 0, name: 19 },
  Transparent6: { level: 41, name: 75 },
} as const;

type Option = (typeof SocketOption)[keyof typeof SocketOption];

const INT = { return: "i32", arguments: ["i32", "i32", "i32", "pointer", "pointer"] };
const SET = { return: "i32", arguments: ["i32", "i32", "i32", "pointer", "u32"] };

/** Socket options that Node itself has no call for, read and set through the C library. */
export class SocketOptions {
  static #instance: SocketOptions | string | undefined;
  readonly #ffi: Ffi;
  readonly #functions: Readonly<Record<string, (...values: unknown[]) => number>>;
  readonly #value = Buffer.alloc(128);
  readonly #length = Buffer.alloc(4);

  /** The thread's one instance, or why this system has none. */
  static get(): SocketOptions | string {
    return (SocketOptions.#instance ??= open());
  }

  constructor(ffi: Ffi) {
    this.#ffi = ffi;
    this.#functions = ffi.dlopen(null, { getsockopt: INT, setsockopt: SET }).functions;
  }

  /** The option's value, lent until the next call; undefined if the system refuses. */
  read(handle: Socket | Server, { level, name }: Option): Buffer | undefined {
    const fd = descriptorOf(handle);
    this.#length.writeInt32LE(this.#value.length);
    const { getsockopt } = this.#functions;
    const value = this.#ffi.getRawPointer(this.#value);
    const result = fd < 0 ? -1 : getsockopt!(fd, level, name, value, this.#ffi.getRawPointer(this.#length));
    return result === 0 ? this.#value.subarray(0, this.#length.readInt32LE()) : undefined;
  }

  /** Whether the system took it. */
  set(handle: Socket | Server, { level, name }: Option, value: number): boolean {
    const fd = descriptorOf(handle);
    this.#value.writeInt32LE(value);
    const pointer = this.#ffi.getRawPointer(this.#value);
    return fd >= 0 && this.#functions["setsockopt"]!(fd, level, name, pointer, 4) === 0;
  }
}

function open(): SocketOptions | string {
  if (process.platform !== "linux") return `socket options of ${process.platform} are not known`;
  try {
    return new SocketOptions(process.getBuiltinModule("node:ffi") as unknown as Ffi);
  } catch (error) {
    return `node:ffi of Node ${process.version} is not there or not allowed (Node 26.10 has it): ${(error as Error).message}`;
  }
}

/** The file descriptor, which Node does not document; -1 if there is none. */
function descriptorOf(handle: Socket | Server): number {
  const fd = (handle as { _handle?: { fd?: number } | null })._handle?.fd;
  return fd === undefined ? -1 : fd;
}
