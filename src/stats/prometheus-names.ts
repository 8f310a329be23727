/** A name that Prometheus allows. */
export function metricName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, "_");
}

/** A label's value as Prometheus wants it between quotes. */
export function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
}
