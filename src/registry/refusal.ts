/** A request that the registry understood and will not do; `status` is its HTTP status. */
export class Refusal extends Error {
  readonly status: 400 | 401 | 404 | 409 | 413 | 503;
  /** The part of the request that is wrong, and what it may be. */
  readonly field: string | undefined;
  readonly allowed: string | undefined;

  constructor(status: Refusal["status"], message: string, detail: { field?: string; allowed?: string } = {}) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.field = detail.field;
    this.allowed = detail.allowed;
  }
}
