export type TransportErrorCode =
  'address-in-use' | 'cannot-listen' | 'cluster-already-served' | 'invalid-url' | 'no-tls' | 'tls-differs';

/** A transport that cannot start. The text names the URL and says what to do. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}
