/** An error in words: its message, of files what could not be done with which, of network errors without a message the code. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, message, path, syscall } = error as NodeJS.ErrnoException;
  // Node's own words: "ENOENT: no such file or directory, open 'x.yaml'".
  const reason = /^E[A-Z]+: (.+), \w+(?: '|$)/.exec(message)?.[1];
  if (reason !== undefined && syscall !== undefined) {
    const action = syscall === "scandir" ? "read" : syscall;
    return `Cannot ${action} ${path === undefined ? "a file" : `"${path}"`}: ${reason}`;
  }
  // Connecting to several addresses of a name gives an AggregateError without a message.
  return message !== "" ? message : typeof code === "string" ? code : error.name;
}
