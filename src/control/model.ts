/** Whether an endpoint takes traffic, as its source says. */
export type EndpointHealth = "healthy" | "unhealthy" | "degraded" | "draining";

/** One address of one service, as a source reports it. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly region: string;
  readonly zone: string;
  readonly version: string;
  readonly health: EndpointHealth;
  /** Reaches proxies as `envoy.lb` metadata. */
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

/** What one source says of one service. */
export interface ServiceReading {
  readonly endpoints: readonly Endpoint[];
  /**
   * Whether fewer endpoints than before are meant: somebody deregistered them or a file says so. What merely vanished,
   * or all leases running out at once, is not confirmed.
   */
  readonly confirmed: boolean;
  /** How many more instances the source has that make no sense: known endpoints may be among them. */
  readonly unreadable?: number;
}

/** One look at a source: everything it knows, or why it could not be asked. */
export type Reading =
  | {
      readonly kind: "ok";
      readonly services: ReadonlyMap<string, ServiceReading>;
      /** Services that somebody deleted on purpose. */
      readonly deleted?: ReadonlySet<string>;
      /** What could not be read and is told as it last was; "" or nothing when all could. */
      readonly incomplete?: string;
    }
  | { readonly kind: "error"; readonly error: string };

/** An endpoint and the source it came from. */
export interface SourcedEndpoint extends Endpoint {
  readonly source: string;
  /** Envoy's priority level: endpoints of a higher number take traffic when those below are not fit; 0 when absent. */
  readonly priority?: number;
}

/** What a service may be called. Names become clusters, domains and parts of stat names. */
export const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The services that proxies are told about, by name. */
export type Catalog = ReadonlyMap<string, readonly SourcedEndpoint[]>;

/** `ip:port`, or `[ip]:port` for IPv6. */
export function endpointAddress(endpoint: Pick<Endpoint, "ip" | "port">): string {
  return endpoint.ip.includes(":") ? `[${endpoint.ip}]:${endpoint.port}` : `${endpoint.ip}:${endpoint.port}`;
}

/** Whether two lists hold the same endpoints, in whatever order. */
export function sameEndpoints(left: readonly Endpoint[], right: readonly Endpoint[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  if (left.every((endpoint, i) => sameEndpoint(endpoint, right[i]!))) return true;
  const byAddress = new Map(right.map((endpoint) => [endpointAddress(endpoint), endpoint]));
  if (byAddress.size !== right.length) return false;
  return left.every((endpoint) => {
    const other = byAddress.get(endpointAddress(endpoint));
    return other !== undefined && sameEndpoint(endpoint, other);
  });
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a === b ||
    (a.ip === b.ip &&
      a.port === b.port &&
      a.weight === b.weight &&
      a.region === b.region &&
      a.zone === b.zone &&
      a.version === b.version &&
      a.health === b.health &&
      sameMetadata(a.metadata, b.metadata))
  );
}

function sameMetadata(a: Endpoint["metadata"], b: Endpoint["metadata"]): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
