/** The admin endpoint of a server whose configuration asks for one. */
import { AdminEndpoint } from '../admin/endpoint.ts';
import { PAGE } from '../admin/page.generated.ts';
import type { Logger } from '../core/api.ts';
import type { Clock, Companion, RaftServer, ServerConfig } from '../server/api.ts';
import { peerUrlProblem } from './config/peer-url.ts';

export function createAdminEndpoint(
  { admin }: ServerConfig,
  server: RaftServer,
  clock: Clock,
  logger: Logger,
): Companion | null {
  if (admin === undefined) return null;
  return new AdminEndpoint({ config: admin, server, clock, logger, urlProblem: peerUrlProblem, page: PAGE });
}
