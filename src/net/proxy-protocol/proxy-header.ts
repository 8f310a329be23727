/** Who is behind a proxy, as its PROXY protocol header tells. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Undefined when the proxy speaks for itself (LOCAL) or does not know (UNKNOWN). */
  readonly addresses: ProxiedAddresses | undefined;
  /** Version 2 only, in their order. */
  readonly tlvs: readonly ProxyTlv[];
}

/** The client's address and the one that it connected to; both IPv4 or both IPv6. */
export interface ProxiedAddresses {
  readonly source: { readonly ip: string; readonly port: number };
  readonly destination: { readonly ip: string; readonly port: number };
}

/** A type-length-value of version 2. */
export interface ProxyTlv {
  /** 0 to 255. */
  readonly type: number;
  readonly value: Buffer;
}

/** First bytes of version 2. */
export const V2_SIGNATURE: Buffer = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** First bytes of version 1. */
export const V1_SIGNATURE: Buffer = Buffer.from("PROXY ", "latin1");
