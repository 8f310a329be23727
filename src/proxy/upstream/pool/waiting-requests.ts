import type { PoolCallbacks, PoolRequest } from "../../api.ts";

/** A request that waits for a connection. */
export class WaitingRequest implements PoolRequest {
  readonly callbacks: PoolCallbacks;
  next: WaitingRequest | null = null;
  previous: WaitingRequest | null = null;
  /** Served, failed or cancelled. */
  done = false;
  readonly #onCancel: (request: WaitingRequest) => void;

  constructor(callbacks: PoolCallbacks, onCancel: (request: WaitingRequest) => void) {
    this.callbacks = callbacks;
    this.#onCancel = onCancel;
  }

  cancel(): void {
    if (!this.done) this.#onCancel(this);
  }
}

/** Requests in the order of their arrival, any of which may leave. */
export class WaitingRequests {
  first: WaitingRequest | null = null;
  size = 0;
  #last: WaitingRequest | null = null;

  add(request: WaitingRequest): void {
    request.previous = this.#last;
    if (this.#last === null) this.first = request;
    else this.#last.next = request;
    this.#last = request;
    this.size++;
  }

  remove(request: WaitingRequest): void {
    request.done = true;
    if (request.previous === null) this.first = request.next;
    else request.previous.next = request.next;
    if (request.next === null) this.#last = request.previous;
    else request.next.previous = request.previous;
    this.size--;
  }

  /** Those that wait now. */
  list(): WaitingRequest[] {
    const all: WaitingRequest[] = [];
    for (let request = this.first; request !== null; request = request.next) all.push(request);
    return all;
  }
}
