/** A path with query parameters set and removed. As Envoy, it sorts them by name and writes each with "=". */
export function editQuery(
  path: string,
  set: readonly (readonly [name: string, value: string])[],
  remove: readonly string[],
): string {
  const mark = path.indexOf("?");
  const parameters = new Map<string, string[]>();
  const query = mark < 0 ? "" : path.slice(mark + 1);
  for (const part of query === "" ? [] : query.split("&")) {
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? "" : part.slice(equals + 1);
    const values = parameters.get(name);
    if (values === undefined) parameters.set(name, [value]);
    else values.push(value);
  }
  for (const [name, value] of set) parameters.set(name, [value]);
  for (const name of remove) parameters.delete(name);
  const written = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
  const bare = mark < 0 ? path : path.slice(0, mark);
  return written.length === 0 ? bare : `${bare}?${written.join("&")}`;
}
