import { BoundSocket } from "node:net";

/** An address that is bound for the workers. */
export interface HeldPort {
  readonly ip: string;
  /** The real one where 0 was asked for. */
  readonly port: number;
  release(): void;
}

interface Held {
  readonly socket: BoundSocket;
  readonly port: number;
  users: number;
}

/** An address that another process listens on, or that cannot be bound; `message` is Envoy's, with what to do. */
export class BindError extends Error {
  readonly code: string;

  constructor(address: string, code: string) {
    const [text, advice] = TEXTS[code] ?? [code, ""];
    super(`cannot bind '${address}': ${text}${advice === "" ? "" : ` (${advice})`}`);
    this.code = code;
  }
}

const TEXTS: Readonly<Record<string, [text: string, advice: string]>> = {
  EADDRINUSE: ["Address already in use", "another process has this port: stop it or choose another one"],
  EACCES: ["Permission denied", "ports below 1024 need CAP_NET_BIND_SERVICE"],
  EADDRNOTAVAIL: ["Cannot assign requested address", "no interface of this machine has this address"],
};

/**
 * Binds the addresses of listeners on the main thread without ever listening there. So port 0 becomes a real port that
 * all workers share, and a port that another process has is noticed: SO_REUSEPORT alone would silently share it with
 * a second copy of the same user.
 */
export class PortHolder {
  readonly #held = new Map<string, Held>();
  readonly #shared: boolean;

  /** @param shared do not mind other processes on the same port (the next generation of a hot restart) */
  constructor(shared: boolean) {
    this.#shared = shared;
  }

  /** Throws a BindError. The same address may be acquired many times in this process. */
  acquire(ip: string, port: number, ipv6Only: boolean): HeldPort {
    const key = port === 0 ? "" : `${ip}|${port}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      held = this.#bind(ip, port, ipv6Only);
      this.#held.set(`${ip}|${held.port}`, held);
    }
    const taken = held;
    taken.users++;
    let released = false;
    return {
      ip,
      port: taken.port,
      release: () => {
        if (released) return;
        released = true;
        if (--taken.users > 0) return;
        this.#held.delete(`${ip}|${taken.port}`);
        taken.socket.close();
      },
    };
  }

  close(): void {
    for (const { socket } of this.#held.values()) socket.close();
    this.#held.clear();
  }

  #bind(ip: string, port: number, ipv6Only: boolean): Held {
    const options = { host: ip, port, ipv6Only: ipv6Only && ip.includes(":") };
    try {
      if (port !== 0 && !this.#shared) new BoundSocket(options).close();
      const socket = new BoundSocket({ ...options, reusePort: true });
      return { socket, port: socket.address().port, users: 0 };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new BindError(`${ip.includes(":") ? `[${ip}]` : ip}:${port}`, code);
    }
  }
}
