/** Where an endpoint's certificates lie, and what is asked of the other side. */
export interface TlsFiles {
  /** The own certificate, then those between it and the CA; PEM. */
  readonly certFile: string;
  /** Its private key without a passphrase; PEM. */
  readonly keyFile: string;
  /** The CAs that the other side's certificate must come from; PEM. Null: those of the system. */
  readonly caFile: string | null;
  /** Whoever connects must show a certificate. */
  readonly clientCertAuth: boolean;
  /** Unless empty, the other side's certificate must bear one of these names. */
  readonly allowedNames: readonly string[];
}

/** Certificates that cannot be used. The text names the key of the configuration and the file. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}
