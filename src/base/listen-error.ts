const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there; stop it, or choose another port",
  EACCES: "this user may not open that port; choose one from 1024 on, or allow it",
  EADDRNOTAVAIL: "this machine has no such address; choose one of its own",
};

/** Why a server does not listen, and what to do about it. */
export function listenError(host: string, port: number, error: unknown): Error {
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ""];
  return new Error(`Cannot listen on ${where}: ${reason === undefined ? message : `${reason} (${code})`}`, {
    cause: error,
  });
}
