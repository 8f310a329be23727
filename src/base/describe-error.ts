/** An error in words: its message, or of network errors without one the code. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, message } = error as { code?: unknown; message: string };
  // Connecting to several addresses of a name gives an AggregateError without a message.
  return message !== "" ? message : typeof code === "string" ? code : error.name;
}
