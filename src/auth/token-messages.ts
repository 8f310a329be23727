/** A row of the store, as it goes from the reader's thread to the index. */
export interface TokenRow {
  readonly id: string;
  readonly hash: Uint8Array;
  readonly user: string;
  /** JSON list. */
  readonly roles: string;
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

/** What the reader's thread tells: rows that changed (`full`: all there are), that it looked and all is as it was, or that it could not. */
export type ReaderMessage =
  | { readonly type: "rows"; readonly full: boolean; readonly rows: readonly TokenRow[] }
  | { readonly type: "unchanged" }
  | { readonly type: "failed"; readonly error: string };
