/** At the finest level no line of the log holds what is proposed, the admin secret, or a private key. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { polyraft } from '../cli/polyraft.ts';
import { CertificateDirectory } from '../tls/certificates.ts';
import { tlsConfig } from '../tls/configuration.ts';
import { eventually, RealCluster, TOKEN } from './real-cluster.ts';

const PAYLOAD = 'marked-payload-7f3a91';
const directory = new CertificateDirectory();
afterAll(() => {
  directory.remove();
});

/** The text itself, and how code shows bytes by accident. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const lists = [...bytes.subarray(0, 8)];
  return [
    text.slice(0, 8),
    bytes.toString('hex').slice(0, 16),
    bytes.toString('base64').slice(0, 10),
    lists.join(','),
    lists.join(', '),
    lists.map((byte) => byte.toString(16)).join(' '),
  ];
}

test('neither payloads nor the secret nor keys are in the log', async () => {
  const authority = directory.authority('ca');
  const own = authority.issue('node');
  const operator = authority.issue('operator', { usage: 'clientAuth' });
  const tls = tlsConfig({ ...own, clientCertAuth: false });
  const cluster = await RealCluster.of(3, { admin_tls: tls, peer_tls: tlsConfig(own) });
  try {
    const payloads = Array.from({ length: 20 }, (_, i) => Buffer.from(`${PAYLOAD} ${i}`));
    const leader = await cluster.leader();
    const before = cluster.servers.get(leader)!.figures().commitIndex;
    for (const server of cluster.servers.values())
      server.propose(proposalsOf(payloads), new Float64Array(payloads.length).fill(-1));
    await eventually(
      'proposals of all three to be committed',
      () => cluster.servers.get(leader)!.figures().commitIndex >= before + 3 * payloads.length,
    );
    const other = (leader % 3) + 1;
    const answer = await cluster.servers.get(other)!.sendHostMessage(leader, Buffer.from(PAYLOAD));
    expect(Buffer.from(answer).toString()).toContain(PAYLOAD);
    const ca = ['--cacert', authority.file];
    const at = ['--admin', cluster.url(leader), ...ca];
    const wrong = `${directory.path}/wrong`;
    writeFileSync(wrong, `${TOKEN}-and-more\n`);
    expect((await polyraft('snapshot', ...at, '--token-file', wrong)).code).toBe(2);
    expect((await polyraft('snapshot', ...at, '--token-file', cluster.tokenFile)).code).toBe(0);
    const pair = ['--cert', operator.certFile, '--key', operator.keyFile];
    expect((await polyraft('transfer', String(other), ...at, ...pair)).code).toBe(0);
    // Of another secret, a file that cannot be used, and a key that does not fit.
    writeFileSync(cluster.tokenFile, `${TOKEN} with a blank\n`);
    expect((await polyraft('snapshot', ...at, '--token-file', wrong)).code).toBe(2);
    writeFileSync(cluster.tokenFile, `${TOKEN}\n`);
    const key = readFileSync(own.keyFile, 'latin1');
    const foreign = readFileSync(authority.issue('foreign').keyFile, 'latin1');
    for (const [content, problem] of [
      [foreign, 'does not belong to the certificate in'],
      [key.replaceAll('PRIVATE', 'PUBLIC'), 'holds no private key in PEM'],
      [key, 'the certificates were read again'],
    ] as const) {
      writeFileSync(own.keyFile, content);
      await eventually(problem, async () => {
        await polyraft('status', ...at);
        return cluster.lines.some((line) => line.includes(problem));
      });
    }
    await cluster.stop(other);
    await cluster.start(other, 3);
    await cluster.leader();
    const lines = [...cluster.lines, ...cluster.debugLines].join('\n');
    expect(lines).toMatch(/asks to take a snapshot/);
    expect(cluster.debugLines.length).toBeGreaterThan(0);
    const keys = [key, foreign].map((text) => text.split('\n')[1]!);
    for (const secret of [PAYLOAD, TOKEN, ...keys])
      for (const form of formsOf(secret)) expect(lines).not.toContain(form);
  } finally {
    await cluster.close();
  }
}, 120_000);
