import type { TlsFiles } from '../../src-ts/tls/files.ts';

/** As the configuration has it, for peer_tls and admin_tls. */
export function tlsConfig(files: TlsFiles): Readonly<Record<string, unknown>> {
  return {
    cert_file: files.certFile,
    key_file: files.keyFile,
    ...(files.caFile === null ? {} : { ca_file: files.caFile }),
    client_cert_auth: files.clientCertAuth,
    allowed_names: files.allowedNames,
  };
}
