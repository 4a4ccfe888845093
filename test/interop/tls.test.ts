/** Mutual TLS between our servers and etcd's rafthttp, with the leader on either side. */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { CertificateDirectory } from '../tls/certificates.ts';
import { tlsConfig } from '../tls/configuration.ts';
import { MixedCluster, PATIENCE_MS } from './mixed-cluster.ts';
import { skipReason, titled } from './programs.ts';

const WRITES = figure(300, 5_000);
const VALUE_BYTES = 40;

describe.skipIf(skipReason !== null)(titled('mixed clusters over TLS'), () => {
  const directory = new CertificateDirectory();
  let cluster: MixedCluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });
  afterAll(() => {
    directory.remove();
  });

  it(
    `${WRITES} writes led by each kind, and one that comes back`,
    async () => {
      const config = { peer_tls: tlsConfig(directory.authority('ca').issue('member')) };
      cluster = await MixedCluster.start(['polyraft', 'etcd', 'polyraft'], { config });
      let writes = 0;
      for (const leader of [cluster.member(1), cluster.member(2)]) {
        await cluster.transferTo(leader);
        await cluster.load(WRITES, VALUE_BYTES, () => undefined);
        writes += WRITES;
      }
      await cluster.stop(cluster.member(2), 'SIGKILL');
      await cluster.load(WRITES, VALUE_BYTES, () => undefined);
      writes += WRITES;
      await cluster.startMember(cluster.member(2));
      expect(await cluster.agreed()).toMatchObject({ keys: WRITES, writes });
      for (const member of cluster.members) {
        expect(await cluster.verify(member, WRITES, VALUE_BYTES), `member ${member.id}`).toBe(WRITES);
      }
    },
    PATIENCE_MS * 5,
  );
});
