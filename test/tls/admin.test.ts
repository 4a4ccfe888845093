/** The admin endpoint over TLS, by the polyraft command: what works, and each way of being wrong, told on both sides. */
import { writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { TlsFiles } from '../../src-ts/tls/files.ts';
import { RealCluster, TOKEN } from '../admin/real-cluster.ts';
import { polyraft } from '../cli/polyraft.ts';
import { as, command, logged, pem, send } from './admin-requests.ts';
import { CertificateDirectory } from './certificates.ts';
import { tlsConfig } from './configuration.ts';

for (const name of ['ADMIN', 'TOKEN_FILE', 'CACERT', 'CERT', 'KEY'])
  Reflect.deleteProperty(process.env, `POLYRAFT_${name}`);

const directory = new CertificateDirectory();
const authority = directory.authority('ca');
const stranger = directory.authority('stranger');
const own = authority.issue('own', { usage: 'serverAuth' });
const operator = authority.issue('operator', { usage: 'clientAuth' });
const foreign = stranger.issue('foreign', { usage: 'clientAuth' });
const expired = authority.issue('expired', { usage: 'clientAuth', days: -1 });
/** Everybody may read. */
const open: TlsFiles = { ...own, clientCertAuth: false };
/** There are no certificates of clients at all. */
const serverOnly: TlsFiles = { ...open, caFile: null };

let cluster: RealCluster | null = null;
afterEach(async () => {
  await cluster?.close();
  cluster = null;
});
afterAll(() => {
  directory.remove();
});

/** One server; its changes need the secret unless `hasSecret` is false. */
async function serve(tls: TlsFiles | null, hasSecret = true): Promise<RealCluster> {
  cluster = await RealCluster.of(1, {
    ...(tls === null ? {} : { admin_tls: tlsConfig(tls) }),
    ...(hasSecret ? {} : { admin_token_file: undefined }),
  });
  await cluster.leader();
  return cluster;
}

const CA = ['--cacert', authority.file];

describe('reading and changing', () => {
  test('with certificates on both sides, and no secret', async () => {
    const at = await serve(own, false);
    expect((await command(at, 'status', ...CA, ...as(operator))).text).toContain('1 of 1 voters');
    const taken = await command(at, 'snapshot', ...CA, ...as(operator));
    expect(taken.text).toMatch(/^snapshot of index \d+ is on disk$/);
    await logged(at, 'with the certificate of operator asks to take a snapshot');
  });

  test('everybody reads, and changes need the secret or a certificate', async () => {
    const at = await serve(open);
    expect((await command(at, 'status', ...CA)).code).toBe(0);
    expect(await command(at, 'snapshot', ...CA)).toEqual({
      code: 2,
      text:
        'send the secret of admin_token_file as "Authorization: Bearer SECRET", or show one from a CA of ' +
        'admin_tls.ca_file (--cert and --key of the polyraft command) (REJECTED); give --token-file FILE, or set ' +
        'POLYRAFT_TOKEN_FILE in the environment',
    });
    expect((await command(at, 'snapshot', ...CA, '--token-file', at.tokenFile)).code).toBe(0);
    expect((await command(at, 'snapshot', ...CA, ...as(operator))).code).toBe(0);
    expect(at.lines.join('\n')).not.toContain(TOKEN);
    expect(at.hosts.get(1)!.snapshotsTaken).not.toEqual([]);
  });

  test('without a secret a certificate is what is missing, and what is wrong with one is told', async () => {
    const at = await serve({ ...open, allowedNames: ['operator', 'own'] }, false);
    const advice =
      'a change needs a certificate: show one from a CA of admin_tls.ca_file (--cert and --key of the polyraft command)';
    expect((await command(at, 'snapshot', ...CA)).text).toBe(`${advice} (REJECTED)`);
    const other = authority.issue('other', { usage: 'clientAuth', names: ['DNS:other.example'] });
    const serving = authority.issue('serving', { usage: 'serverAuth' });
    const but = (problem: string): string =>
      `${advice}; the one that was shown does not do: ${problem} (REJECTED)`;
    for (const [files, problem] of [
      [foreign, 'its certificate is not signed by a CA of admin_tls.ca_file'],
      [other, 'its certificate is for other, other.example, and admin_tls.allowed_names has none of these'],
      [serving, 'its certificate is not meant for this use; its extended key usage needs clientAuth'],
    ] as const)
      expect((await command(at, 'snapshot', ...CA, ...as(files))).text).toBe(but(problem));
    const late = await send(at, authority, '/snapshot', pem(expired), '');
    expect(late.status).toBe(403);
    expect(late.text).toContain('does not do: its certificate has expired');
    expect((await command(at, 'status', ...CA, ...as(foreign))).code).toBe(0);
    expect(at.hosts.get(1)!.snapshotsTaken).toEqual([]);
    expect((await command(at, 'snapshot', ...CA, ...as(operator))).code).toBe(0);
  });

  test('where no CA for clients is given, their certificates do not count', async () => {
    const at = await serve(serverOnly, false);
    const refused = await command(at, 'snapshot', ...CA, ...as(operator));
    expect(refused.text).toBe(
      'this server takes no changes: set "admin_token_file" in its configuration to a file with a secret, or, with an ' +
        'https admin_url, "ca_file" of "admin_tls" to the CA of those who may change something (REJECTED)',
    );
  });

  test('a page of elsewhere cannot use the certificate of a browser', async () => {
    const at = await serve(own, false);
    for (const origin of ['https://evil.example', 'null', at.url(1).replace('https', 'http')]) {
      const answer = await send(
        at,
        authority,
        '/snapshot',
        { ...pem(operator), headers: { Origin: origin } },
        '',
      );
      expect(answer.status).toBe(403);
      expect(answer.text).toContain(
        'a browser asks for this change on behalf of a page of elsewhere; use the polyraft command',
      );
    }
    expect(at.hosts.get(1)!.snapshotsTaken).toEqual([]);
    expect(
      (await send(at, authority, '/snapshot', { ...pem(operator), headers: { Origin: at.url(1) } }, ''))
        .status,
    ).toBe(200);
  });
});

describe('who does not get through where certificates are asked for', () => {
  test.each([
    [
      'none',
      [],
      'it does not answer without a certificate: give --cert FILE and --key FILE',
      'it shows no certificate',
    ],
    [
      'one of an unknown CA',
      as(foreign),
      'the server closed the connection without an answer; if it does not accept the certificate of --cert, its log says why',
      'its certificate is not signed by a CA of admin_tls.ca_file',
    ],
    [
      'one for servers',
      as(own),
      'the server closed the connection without an answer; if it does not accept the certificate of --cert, its log says why',
      'its certificate is not meant for this use; its extended key usage needs clientAuth',
    ],
  ])('%s', async (_, shown, told, inLog) => {
    const at = await serve(own);
    const token = ['--token-file', at.tokenFile];
    expect(await command(at, 'snapshot', ...CA, ...shown, ...token)).toEqual({
      code: 3,
      text: `${at.url(1)}: ${told}`,
    });
    await logged(at, `was refused: ${inLog}`);
    expect(at.hosts.get(1)!.snapshotsTaken).toEqual([]);
    expect((await command(at, 'status', ...CA, ...as(operator))).code).toBe(0);
  });

  test('one that has expired, and one whose name is not allowed', async () => {
    const at = await serve({ ...own, allowedNames: ['admin'] });
    await expect(send(at, authority, '/status', pem(expired))).rejects.toThrow();
    await logged(at, 'was refused: its certificate has expired');
    const text = 'its certificate is for operator, 127.0.0.1, and admin_tls.allowed_names has none of these';
    expect(await send(at, authority, '/status', pem(operator))).toMatchObject({
      status: 403,
      text: `${text}\n`,
    });
    await logged(at, text);
  });
});

describe('servers that the command does not take', () => {
  /** Whatever the certificate is: a server would refuse to start with some of these. */
  async function shows(files: TlsFiles, host = '127.0.0.1'): Promise<string> {
    const server = https.createServer(pem(files));
    const [port] = await freePorts(1);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    try {
      const { code, problems } = await polyraft('status', '--admin', `https://${host}:${port}`, ...CA);
      expect(code).toBe(3);
      return problems.join('\n').replace(/^https:\/\/[^ ]+:\d+: /, '');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test('expired, for another name, for clients only, of an unknown CA', async () => {
    expect(await shows(expired)).toBe('its certificate has expired');
    expect(await shows(own, 'localhost')).toBe('its certificate is for own, 127.0.0.1, not for localhost');
    expect(await shows(operator)).toBe(
      'its certificate is not meant for this use; its extended key usage needs serverAuth',
    );
    expect(await shows(foreign)).toBe('its certificate is not signed by a CA of --cacert');
    const at = await serve(open);
    expect((await command(at, 'status')).text).toBe(
      `${at.url(1)}: its certificate is not signed by a CA of this machine; name the file of its CA: --cacert FILE`,
    );
  });

  test('TLS on one side only', async () => {
    const secure = await serve(open);
    const plainUrl = secure.url(1).replace('https', 'http');
    const { code, problems } = await polyraft('status', '--admin', plainUrl);
    expect([code, problems.join('\n')]).toEqual([
      3,
      `${plainUrl}: the server closed the connection without an answer; if it takes TLS, write https:// in --admin`,
    ]);
    await logged(secure, 'was refused: it speaks plain HTTP, and this address takes TLS');
    await secure.close();
    const plain = await serve(null);
    const secureUrl = plain.url(1).replace('http', 'https');
    expect((await polyraft('status', '--admin', secureUrl, ...CA)).problems).toEqual([
      `${secureUrl}: it does not speak TLS: write http:// in --admin`,
    ]);
    await logged(plain, 'was refused: it speaks TLS, and this address takes plain HTTP');
  });

  test('own certificates that cannot be used are told before anything is sent', async () => {
    const none = join(directory.path, 'none.crt');
    const empty = join(directory.path, 'empty.crt');
    writeFileSync(empty, '');
    for (const [options, text] of [
      [['--cacert', none], `--cacert: "${none}" does not exist`],
      [['--cacert', empty], `--cacert: "${empty}" holds no certificate in PEM`],
      [['--cert', operator.certFile], '--cert needs --key: the two make one certificate'],
      [['--key', operator.keyFile], '--key needs --cert: the two make one certificate'],
      [
        ['--cert', operator.certFile, '--key', own.keyFile],
        `--key: the key in "${own.keyFile}" does not belong to the certificate in "${operator.certFile}"`,
      ],
    ] as const) {
      const { code, problems } = await polyraft('status', '--admin', 'https://127.0.0.1:9', ...options);
      expect([code, problems.join('\n')]).toEqual([2, text]);
    }
    const { problems } = await polyraft('status', '--admin', 'https://127.0.0.1:9', ...as(expired));
    expect(problems.join('\n')).toMatch(
      /^--cert: the certificate in "[^"]+expired\.crt" expired on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
  });
});

describe('polyraft doctor', () => {
  async function findings(values: unknown): Promise<Record<string, string[]>> {
    const path = join(directory.path, 'config.json');
    writeFileSync(path, JSON.stringify(values));
    const { out } = await polyraft('doctor', '--json', path);
    const by: Record<string, string[]> = {};
    const all = JSON.parse(out.join('\n')) as {
      findings: { check: string; result: string; text: string; advice?: string }[];
    };
    for (const { check, result, text } of all.findings) (by[check] ??= []).push(`${result} ${text}`);
    return by;
  }

  test('looks at certificates, and knows its own server by them', async () => {
    const at = await serve(own);
    const good = JSON.parse(at.configText(1, 1)) as Record<string, unknown>;
    const fine = await findings(good);
    expect(fine['admin_tls']![0]).toMatch(/^warning the certificate in "[^"]+own\.crt" ends on /);
    expect(fine['admin_url']).toEqual([`ok ${at.url(1)} is in use by a server that shows this certificate`]);
    const other = await findings({
      ...good,
      admin_tls: tlsConfig(authority.issue('elsewhere', { names: ['DNS:elsewhere'] })),
    });
    expect(other['admin_tls']![1]).toMatch(
      /^problem the certificate in "[^"]+elsewhere\.crt" is for DNS:elsewhere, not for 127\.0\.0\.1$/,
    );
    expect(other['admin_url']).toEqual([`problem ${at.url(1)} is in use by another program`]);
  }, 60_000);

  test('asks https peers with the own certificate, and warns of a secret in the clear', async () => {
    const [raft, peer, admin] = await freePorts(3);
    const server = https.createServer({ ...pem(authority.issue('peer')) }, (_, response) => {
      response.end(JSON.stringify({ Now: new Date().toISOString() }));
    });
    await new Promise<void>((resolve) => server.listen(peer, '127.0.0.1', resolve));
    try {
      const values = {
        id: 1,
        waldir: join(directory.path, 'wal'),
        snapdir: join(directory.path, 'snap'),
        peers: [
          { id: 1, url: `https://127.0.0.1:${raft}` },
          { id: 2, url: `https://127.0.0.1:${peer}` },
        ],
        peer_tls: tlsConfig(authority.issue('member')),
        admin_url: `http://0.0.0.0:${admin}`,
        admin_remote: true,
        admin_token_file: join(directory.path, 'token'),
      };
      const found = await findings(values);
      expect(found['peer 2']![0]).toMatch(/^ok https:.* answers in /);
      expect(found['admin_url']).toContain(
        'warning the secret of admin_token_file crosses the network in the clear',
      );
      const wary = {
        ...values,
        peer_tls: tlsConfig({ ...authority.issue('member'), caFile: stranger.file }),
      };
      expect((await findings(wary))['peer 2']).toEqual([
        `warning https://127.0.0.1:${peer} cannot be reached: its certificate is not signed by a CA of peer_tls.ca_file`,
      ]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }, 60_000);
});
