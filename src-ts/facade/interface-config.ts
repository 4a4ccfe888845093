/** Which interface a configuration was written for: each has its own keys, and all mean one server's configuration. */
import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type ServerConfig } from '../server/api.ts';
import { TlsError } from '../tls/files.ts';
import { loadTls } from '../tls/load.ts';
import { parseConfig, type ParsedConfig } from './config/parse-config.ts';
import { isLibraftConfig, parseLibraftConfig } from './libraft-config.ts';

/**
 * Throws ServerError CONFIG with a text that names key and remedy. Resolves host names where the interface has them, and
 * reads the certificates that are named: like all of a configuration they are checked before anything is opened.
 */
export async function parseInterfaceConfig(text: string): Promise<ParsedConfig> {
  const parsed = isLibraftConfig(text) ? await parseLibraftConfig(text) : parseConfig(text);
  checkCertificates(parsed.config);
  return parsed;
}

/** Throws ServerError CONFIG when certificates that the configuration names cannot be used. */
export function checkCertificates({ peerTls, admin }: ServerConfig): void {
  try {
    if (peerTls !== undefined) loadTls('peer_tls', peerTls, Date.now());
    if (admin !== undefined && admin.tls !== null) loadTls('admin_tls', admin.tls, Date.now());
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    throw new ServerError(ErrorCode.CONFIG, `configuration: ${error.message}`);
  }
}
