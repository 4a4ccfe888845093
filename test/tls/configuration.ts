import type { TlsFiles } from '../../src-ts/tls/files.ts';

/** As the configuration has it. */
export function peerTls(files: TlsFiles): Readonly<Record<string, unknown>> {
  return {
    cert_file: files.certFile,
    key_file: files.keyFile,
    ca_file: files.caFile,
    client_cert_auth: files.clientCertAuth,
    allowed_names: files.allowedNames,
  };
}
