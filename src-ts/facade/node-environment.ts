import { randomInt } from 'node:crypto';
import type { Logger } from '../core/api.ts';
import { loggerOf } from '../core/loggers.ts';
import type { Clock, ServerEnvironment } from '../server/api.ts';
import type { StorageBinding } from '../storage/native-binding.ts';
import { NodeDisk } from '../storage/node-disk.ts';
import { createTransport, ListenerTable } from '../transport/rafthttp.ts';
import { createAdminEndpoint } from './admin-endpoint.ts';

const clock: Clock = {
  now: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return {
      cancel: () => {
        clearTimeout(timer);
      },
    };
  },
};

const random = (bound: number): number => randomInt(bound);

/** What a server needs of this machine; servers of one engine share listening addresses. */
export class NodeEnvironment {
  private readonly listeners = new ListenerTable();
  private readonly disk: NodeDisk;
  private readonly binding: StorageBinding | null;
  private readonly runtime: string;
  private readonly version: string;

  /** Without a binding, files are written with the means of Node. */
  constructor(binding: StorageBinding | null, runtime: string, version: string) {
    this.binding = binding;
    this.runtime = runtime;
    this.disk = new NodeDisk(binding);
    this.version = version;
  }

  for(logger: Logger): ServerEnvironment {
    return {
      disk: this.disk,
      binding: this.binding,
      clock,
      random,
      logger: loggerOf(logger, 'server'),
      createTransport: (config, members, events) => {
        const own = config.peers.find((peer) => peer.id === config.id);
        return createTransport({
          clusterId: config.clusterId,
          id: config.id,
          localUrl: own?.url ?? '',
          peers: members,
          events,
          clock,
          random,
          logger: loggerOf(logger, 'transport'),
          listeners: this.listeners,
          checkQuorum: config.checkQuorum,
          ...(config.peerTls === undefined ? {} : { tls: config.peerTls }),
        });
      },
      createCompanion: (config, server) =>
        createAdminEndpoint(config, server, clock, loggerOf(logger, 'admin')),
      runtime: this.runtime,
      version: this.version,
    };
  }
}
