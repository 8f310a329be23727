import type { BindAddress } from "../link.ts";

/** What two generations of a proxy say to each other while one takes over from the other. */
export type GenerationMessage =
  /** To the predecessor: free the admin address. */
  | { readonly kind: "close-admin" }
  | { readonly kind: "admin-closed" }
  /** To the predecessor: the successor did not make it, open the admin address again. */
  | { readonly kind: "open-admin" }
  /** To the predecessor: hand over the listening sockets of these addresses, each as a "socket", then "handed-over". */
  | { readonly kind: "hand-over"; readonly addresses: readonly BindAddress[] }
  /** Comes with a listening socket. The receiver answers "got". */
  | { readonly kind: "socket"; readonly bind: BindAddress }
  | { readonly kind: "got" }
  | { readonly kind: "handed-over" }
  /** To the predecessor: the successor serves; drain and exit. */
  | { readonly kind: "retire" }
  /** To the predecessor: what was counted since it was asked last? */
  | { readonly kind: "ask-counters" }
  | {
      readonly kind: "counters";
      readonly values: Readonly<Record<string, number>>;
      /** Nothing more comes. */
      readonly last: boolean;
    }
  /** Close now. */
  | { readonly kind: "terminate" };

/** What a generation says to the supervisor. */
export type SupervisedMessage =
  | { readonly kind: "live" }
  | { readonly kind: "failed"; readonly reason: string }
  /** From the supervisor: drain as at SIGTERM. */
  | { readonly kind: "shut-down" }
  /** From the supervisor: open logs anew. */
  | { readonly kind: "reopen-logs" };
