import { loadTlsMaterial, type TlsMaterial } from "./tls-secrets.ts";
import { watchDirectories } from "./watch-directories.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { TransportSocketContext } from "../../proxy/api.ts";

type CommonTlsContext = Messages["envoy.extensions.transport_sockets.tls.v3.CommonTlsContext"];

/**
 * Certificates and trust of a context, followed while files are replaced. A replacement that cannot be used is
 * logged, and what was there before stays in use. Workers watch; the main thread only tries configuration out.
 */
export class LiveMaterial {
  readonly #common: CommonTlsContext | undefined;
  readonly #context: TransportSocketContext;
  readonly #stop: () => void;
  #current: TlsMaterial;

  /** @param use takes material into use, or throws to refuse it; called at once and at each change */
  constructor(
    common: CommonTlsContext | undefined,
    context: TransportSocketContext,
    use: (material: TlsMaterial, first: boolean) => void,
  ) {
    this.#common = common;
    this.#context = context;
    this.#current = loadTlsMaterial(common);
    use(this.#current, true);
    const log = context.logger("config");
    const { watched } = this.#current;
    this.#stop =
      context.workerIndex < 0 || watched.size === 0
        ? () => {}
        : watchDirectories(
            watched,
            context.clock,
            () => this.#reload(use),
            (path, error) => log.warn(`cannot watch ${path} for new certificates: ${error.message}`),
          );
  }

  get current(): TlsMaterial {
    return this.#current;
  }

  close(): void {
    this.#stop();
  }

  #reload(use: (material: TlsMaterial, first: boolean) => void): void {
    try {
      const next = loadTlsMaterial(this.#common);
      if (sameMaterial(next, this.#current)) return;
      use(next, false);
      this.#current = next;
    } catch (error) {
      this.#context
        .logger("config")
        .warn(`new certificates are not used, the old ones stay: ${(error as Error).message}`);
    }
  }
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  const parts = ({ keyPairs, validation }: TlsMaterial): Buffer[] => [
    ...keyPairs.flatMap(({ chain, key }) => [chain.bytes, key]),
    validation?.trustedCa?.bytes ?? Buffer.alloc(0),
    validation?.crl?.bytes ?? Buffer.alloc(0),
    Buffer.from(JSON.stringify(validation?.config ?? null, plainBytes)),
  ];
  const [left, right] = [parts(a), parts(b)];
  return left.length === right.length && left.every((bytes, i) => bytes.equals(right[i]!));
}

function plainBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}
