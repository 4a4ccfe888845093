/** Certificates of the admin endpoint that change under way: who gets in from then on, and who no longer does. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TlsFiles } from '../../src-ts/tls/files.ts';
import { eventually, RealCluster } from '../admin/real-cluster.ts';
import { as, command, logged, pem, send } from './admin-requests.ts';
import { CertificateDirectory } from './certificates.ts';
import { tlsConfig } from './configuration.ts';

const directory = new CertificateDirectory();
const authority = directory.authority('ca');
const stranger = directory.authority('stranger');
const operator = authority.issue('operator', { usage: 'clientAuth' });
const foreign = stranger.issue('foreign', { usage: 'clientAuth' });
const CA = ['--cacert', authority.file];
const clients = join(directory.path, 'clients.crt');
const READ_AGAIN = 'admin_tls: the certificates were read again; this one ends on ';

let cluster: RealCluster | null = null;
let own: TlsFiles;
beforeEach(() => {
  own = authority.issue('own', { usage: 'serverAuth' });
  copyFileSync(authority.file, clients);
});
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});
afterAll(() => {
  directory.remove();
});

/** One server, without a secret. */
async function serve(clientCertAuth = true): Promise<RealCluster> {
  cluster = await RealCluster.of(1, {
    admin_tls: tlsConfig({ ...own, caFile: clients, clientCertAuth }),
    admin_token_file: undefined,
  });
  await cluster.leader();
  return cluster;
}

async function untilTakes(at: RealCluster, files: TlsFiles, ...ca: string[]): Promise<void> {
  await eventually('the new ones', async () => (await command(at, 'status', ...ca, ...as(files))).code === 0);
}

/** The serial number of the certificate that a server shows. */
function shown(at: RealCluster): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ...pem(operator), ca: readFileSync(authority.file) };
    const socket = tls.connect(at.adminPort(1), '127.0.0.1', options, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('new connections', () => {
  test('are judged by the new CA of clients, when that alone changes', async () => {
    const at = await serve();
    expect((await command(at, 'status', ...CA, ...as(foreign))).code).toBe(3);
    copyFileSync(stranger.file, clients);
    await untilTakes(at, foreign, ...CA);
    expect((await command(at, 'status', ...CA, ...as(operator))).code).toBe(3);
    await logged(at, READ_AGAIN);
  });

  test('are shown the new certificate, when that alone changes', async () => {
    const at = await serve();
    const before = await shown(at);
    authority.issue('own', { usage: 'serverAuth', renewed: true });
    await eventually('the new one', async () => (await shown(at)) !== before);
  });

  test('are judged by the new ones, when all change; what cannot be used leaves the others in force', async () => {
    const at = await serve();
    copyFileSync(stranger.file, clients);
    stranger.issue('own', { usage: 'serverAuth' });
    const ca = ['--cacert', stranger.file];
    await untilTakes(at, foreign, ...ca);
    expect((await command(at, 'status', ...ca, ...as(operator))).code).toBe(3);
    const wrong = authority.issue('wrong-key');
    copyFileSync(wrong.keyFile, own.keyFile);
    await eventually('a look at them', async () => {
      expect((await command(at, 'status', ...ca, ...as(foreign))).code).toBe(0);
      return at.lines.some((line) =>
        line.includes(
          `admin_tls.key_file: the key in "${own.keyFile}" does not belong to the certificate in "${own.certFile}"; the certificates of before stay in use`,
        ),
      );
    });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('cannot take up a session of before, by %s', async (version) => {
    const at = await serve();
    const connect = (session?: Buffer): tls.TLSSocket =>
      tls.connect(at.adminPort(1), '127.0.0.1', {
        ...pem(operator),
        ca: readFileSync(authority.file),
        minVersion: version,
        maxVersion: version,
        ...(session === undefined ? {} : { session }),
      });
    const first = connect();
    let session: Buffer | undefined;
    first.on('session', (one) => (session = one));
    first.on('error', () => undefined);
    first.end('GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
    first.resume();
    await new Promise((resolve) => first.once('close', resolve));
    copyFileSync(stranger.file, clients);
    await untilTakes(at, foreign, ...CA);
    const second = connect(session);
    let text = '';
    second.on('data', (piece: Buffer) => (text += piece.toString()));
    second.on('error', () => undefined);
    second.write('GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
    await new Promise((resolve) => second.once('close', resolve));
    expect(text).toBe('');
  });
});

describe.each([{ clientCertAuth: true }, { clientCertAuth: false }])(
  'connections of before, with %o',
  ({ clientCertAuth }) => {
    test('lose what a certificate gave them when its CA goes', async () => {
      const at = await serve(clientCertAuth);
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
      const options = { agent, ...pem(operator) };
      try {
        const { status, port } = await send(at, authority, '/snapshot', options, '');
        expect(status).toBe(200);
        expect(at.hosts.get(1)!.snapshotsTaken).toHaveLength(1);
        // Files that cannot be used change nothing.
        writeFileSync(clients, 'nothing');
        await eventually('a look at them', async () => {
          expect(await send(at, authority, '/cluster', options)).toMatchObject({ status: 200, port });
          return at.lines.some((line) => line.includes('the certificates of before stay in use'));
        });
        copyFileSync(stranger.file, clients);
        // Nobody else connects meanwhile: it is this connection's next request that finds the new files.
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        await expect(send(at, authority, '/snapshot', options, '')).rejects.toThrow('socket hang up');
        await logged(at, 'connected before the certificates changed: it must connect again');
        await logged(at, READ_AGAIN);
        // On a new connection, the new CA decides.
        const again = send(at, authority, '/snapshot', options, '');
        if (clientCertAuth) await expect(again).rejects.toThrow();
        else expect((await again).status).toBe(403);
        expect(at.hosts.get(1)!.snapshotsTaken).toHaveLength(1);
        const other = { ...options, ...pem(foreign) };
        const accepted = await send(at, authority, '/snapshot', other, '');
        expect(accepted.status).toBe(200);
        expect(await send(at, authority, '/cluster', other)).toMatchObject({
          status: 200,
          port: accepted.port,
        });
      } finally {
        agent.destroy();
      }
    });
  },
);
