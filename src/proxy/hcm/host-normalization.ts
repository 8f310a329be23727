/** Removes the port of a Host value: any, or only `port`. */
export function stripPort(host: string, port: number | undefined): string {
  const colon = host.lastIndexOf(":");
  if (colon < 0 || host.charCodeAt(host.length - 1) === 93 || host.indexOf("]", colon) >= 0) return host;
  // An IPv6 address without brackets has no port.
  if (host.charCodeAt(0) !== 91 && host.indexOf(":") !== colon) return host;
  const text = host.slice(colon + 1);
  if (!/^\d+$/.test(text)) return host;
  return port === undefined || Number(text) === port ? host.slice(0, colon) : host;
}

/** Removes the dot at the end of the name, port kept. */
export function stripTrailingDot(host: string): string {
  if (host.endsWith(".")) return host.slice(0, -1);
  const colon = host.lastIndexOf(":");
  return colon > 0 && host[colon - 1] === "." ? host.slice(0, colon - 1) + host.slice(colon) : host;
}
