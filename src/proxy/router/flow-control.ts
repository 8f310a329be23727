import type { FilterStream } from "../api.ts";
import type { ClusterHandles } from "../route/cluster-handles.ts";
import type { UpstreamAttempt } from "./upstream-attempt.ts";

/** Which sides of one exchange are told to wait, because the other one does not take what they send. */
export class FlowControl {
  #requestPaused = false;
  #responsePaused = false;

  reset(): void {
    this.#requestPaused = this.#responsePaused = false;
  }

  /** The upstream takes no more: the client waits. */
  pauseRequest(stream: FilterStream, handles: ClusterHandles): void {
    if (this.#requestPaused) return;
    this.#requestPaused = true;
    handles.backedUp.inc();
    stream.pauseRequest();
  }

  resumeRequest(stream: FilterStream): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    stream.resumeRequest();
  }

  /** The client takes no more: the upstream waits. */
  pauseResponse(attempt: UpstreamAttempt, handles: ClusterHandles): void {
    if (this.#responsePaused) return;
    this.#responsePaused = true;
    handles.pausedReading.inc();
    attempt.pause();
  }

  resumeResponse(attempt: UpstreamAttempt, handles: ClusterHandles): void {
    if (!this.#responsePaused) return;
    this.#responsePaused = false;
    handles.resumedReading.inc();
    attempt.resume();
  }
}
