import { userInfo } from "node:os";

/** GET of a JSON answer of a running control plane. Throws an Error for people. */
export async function askControl<T>(api: string, path: string): Promise<T> {
  return (await (await callControl(api, path)).json()) as T;
}

/**
 * One request to a running control plane, in the name of who runs the command, or of the token in WEFT_CONTROL_TOKEN.
 * Throws an Error for people.
 */
export async function callControl(
  api: string,
  path: string,
  method = "GET",
  body?: string | object,
): Promise<Response> {
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  const token = process.env["WEFT_CONTROL_TOKEN"];
  let response: Response;
  try {
    response = await fetch(new URL(path, api), {
      method,
      headers: { "x-weft-user": userInfo().username, ...(token && { authorization: `Bearer ${token}` }) },
      ...(text !== undefined && { body: text }),
    });
  } catch (error) {
    const { code = "" } = ((error as Error).cause ?? {}) as { code?: string };
    const isCertificate = /CERT|SIGNATURE|ALTNAME/.test(code);
    throw new Error(
      isCertificate
        ? `Cannot trust the control plane at ${api}: ${code}; name its authority's file in NODE_EXTRA_CA_CERTS`
        : `Cannot reach the control plane at ${api}: is it running? Name another with --api`,
    );
  }
  if (!response.ok) {
    const answer = await response.text();
    const reason = answer.startsWith("{") ? (JSON.parse(answer) as { error?: string }).error : undefined;
    throw new Error(reason ?? `${api}${path} answers ${response.status}: ${answer}`);
  }
  return response;
}
