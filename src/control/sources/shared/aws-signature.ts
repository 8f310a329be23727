import { createHash, createHmac } from "node:crypto";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials; "" otherwise. */
  readonly sessionToken: string;
}

export interface AwsRequest {
  readonly method: string;
  /** With port, if it is not the usual one. */
  readonly host: string;
  readonly path: string;
  /** Sorted and encoded. */
  readonly query: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Headers that sign a request for one AWS service by Signature Version 4, besides those that it has. */
export function signRequest(
  request: AwsRequest,
  { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials,
  region: string,
  service: string,
  now: Date,
): Record<string, string> {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const own = { "x-amz-date": time, ...(sessionToken !== "" && { "x-amz-security-token": sessionToken }) };
  const headers: [string, string][] = Object.entries({ ...request.headers, host: request.host, ...own });
  headers.sort(([a], [b]) => (a < b ? -1 : 1));
  const names = headers.map(([name]) => name).join(";");
  const canonical = [
    request.method,
    request.path,
    request.query,
    ...headers.map(([name, value]) => `${name}:${value.trim()}`),
    "",
    names,
    sha256(request.body),
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = [day, region, service, "aws4_request"].reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, text).toString("hex");
  return {
    ...own,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
