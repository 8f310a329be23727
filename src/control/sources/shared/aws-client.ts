import type { OptionTable } from "../../catalog/source-options.ts";
import { AwsCredentialChain } from "./aws-credentials.ts";
import { signRequest } from "./aws-signature.ts";
import { HttpClient, parseJson, type HttpReply } from "../../../base/http-client.ts";
import { parseXml, xmlText, type XmlElement } from "./xml.ts";

/** Options that every source of AWS has. */
export const awsOptions = {
  region: { required: true, description: "AWS region" },
  interval: { kind: "duration", default: "30s", min: 10, description: "time between questions" },
  timeout: { kind: "duration", default: "10s", min: 1, description: "longest wait for one answer" },
  endpoint: {
    kind: "url",
    description: "address of the API, e.g. of a VPC endpoint; default: that of the region",
  },
} as const satisfies OptionTable;

/** One AWS service in one region. */
export class AwsClient {
  readonly #http: HttpClient;
  readonly #host: string;
  readonly #path: string;
  readonly #service: string;
  readonly #region: string;
  readonly #timeoutMs: number;
  readonly #chain: AwsCredentialChain;

  /** `service`: the name in signatures; `url`: "" = that of the region under the prefix `host`. */
  constructor(
    service: string,
    host: string,
    {
      region,
      url,
      timeoutMs,
      chain,
    }: { region: string; url: string; timeoutMs: number; chain: AwsCredentialChain },
  ) {
    const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    const place = url || `https://${host}.${region}.${domain}`;
    this.#http = new HttpClient({ url: new URL(place).origin });
    this.#host = new URL(place).host;
    this.#path = new URL(place).pathname;
    this.#service = service;
    this.#region = region;
    this.#timeoutMs = timeoutMs;
    this.#chain = chain;
  }

  /** Calls an operation of an API with JSON. Throws an Error with AWS's reason when it fails. */
  async json(target: string, body: object, signal: AbortSignal): Promise<unknown> {
    const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
    return parseJson(target, await this.#post(headers, JSON.stringify(body), signal));
  }

  /** Calls an operation of an API with forms and XML. Throws an Error with AWS's reason when it fails. */
  async query(form: Readonly<Record<string, string>>, signal: AbortSignal): Promise<XmlElement> {
    const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
    const { status, body } = await this.#post(headers, new URLSearchParams(form).toString(), signal);
    const answer = parseXml(body);
    if (status === 200) return answer;
    const reason =
      xmlText(answer, "Response/Errors/Error/Message") || xmlText(answer, "ErrorResponse/Error/Message");
    throw new Error(`HTTP ${status}: ${reason}`);
  }

  close(): void {
    this.#http.close();
  }

  async #post(headers: Record<string, string>, body: string, signal: AbortSignal): Promise<HttpReply> {
    const credentials = await this.#chain.get(signal);
    const request = { method: "POST", host: this.#host, path: this.#path, query: "", headers, body };
    const signed = signRequest(request, credentials, this.#region, this.#service, new Date());
    return this.#http.call(this.#path, {
      signal,
      timeoutMs: this.#timeoutMs,
      method: "POST",
      headers: { ...headers, ...signed },
      body,
    });
  }
}
