import { loadTlsMaterial, sdsConfigsOf, type TlsMaterial } from "./tls-secrets.ts";
import { watchDirectories } from "./watch-directories.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { TransportSocketContext } from "../../proxy/api.ts";

type CommonTlsContext = Messages["envoy.extensions.transport_sockets.tls.v3.CommonTlsContext"];

/**
 * Certificates and trust of a context, followed while secrets come and files are replaced. What cannot be used is logged,
 * and what was there before stays in use. Where configuration is only tried out nothing is followed.
 */
export class LiveMaterial {
  readonly #common: CommonTlsContext | undefined;
  readonly #context: TransportSocketContext;
  readonly #use: (material: TlsMaterial, first: boolean) => void;
  readonly #stopSecrets: readonly (() => void)[];
  #stopFiles: () => void = () => {};
  #watched: ReadonlySet<string> = new Set();
  #current: TlsMaterial | undefined;

  /** @param use takes material into use, or throws to refuse it; called at once unless a secret is missing, and at each change */
  constructor(
    common: CommonTlsContext | undefined,
    context: TransportSocketContext,
    use: (material: TlsMaterial, first: boolean) => void,
  ) {
    const { secrets } = context;
    this.#common = common;
    this.#context = context;
    this.#use = use;
    this.#current = loadTlsMaterial(common, secrets);
    if (this.#current !== undefined) use(this.#current, true);
    this.#watchFiles();
    this.#stopSecrets = sdsConfigsOf(common).map((sds) => secrets.watch(sds, () => this.#reload()));
  }

  /** Undefined as long as a secret is missing. */
  get current(): TlsMaterial | undefined {
    return this.#current;
  }

  close(): void {
    this.#stopFiles();
    for (const stop of this.#stopSecrets) stop();
  }

  #reload(): void {
    try {
      const next = loadTlsMaterial(this.#common, this.#context.secrets);
      if (next === undefined || (this.#current !== undefined && sameMaterial(next, this.#current))) return;
      this.#use(next, false);
      this.#current = next;
      this.#watchFiles();
    } catch (error) {
      this.#context
        .logger("config")
        .warn(`new certificates are not used, the old ones stay: ${(error as Error).message}`);
    }
  }

  /** A secret may name other files than the one before. */
  #watchFiles(): void {
    const { clock, secrets } = this.#context;
    const watched = this.#current?.watched ?? new Set<string>();
    if (
      !secrets.follows ||
      (watched.size === this.#watched.size && [...watched].every((path) => this.#watched.has(path)))
    )
      return;
    this.#stopFiles();
    this.#watched = watched;
    const log = this.#context.logger("config");
    this.#stopFiles = watchDirectories(
      watched,
      clock,
      () => this.#reload(),
      (path, error) => log.warn(`cannot watch ${path} for new certificates: ${error.message}`),
    );
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
