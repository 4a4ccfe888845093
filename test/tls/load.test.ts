/** Each way in which the own certificates can be wrong, with its exact text. */
import { execFileSync } from 'node:child_process';
import { chmodSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { TlsError, type TlsFiles } from '../../src-ts/tls/files.ts';
import { TlsIdentity } from '../../src-ts/tls/identity.ts';
import { loadTls } from '../../src-ts/tls/load.ts';
import { RecordingLogger, until } from '../transport/harness.ts';
import { CertificateDirectory } from './certificates.ts';

const directory = new CertificateDirectory();
const authority = directory.authority('ca');
const good = authority.issue('good');
const other = authority.issue('other');
afterAll(() => {
  directory.remove();
});

function file(name: string, text: string): string {
  const path = join(directory.path, name);
  writeFileSync(path, text);
  return path;
}

function problem(files: TlsFiles, now = Date.now()): string {
  try {
    loadTls('peer_tls', files, now);
  } catch (error) {
    if (error instanceof TlsError) return error.message;
    throw error;
  }
  return 'nothing';
}

describe('certificates that cannot be used', () => {
  test('good ones can', () => {
    expect(problem(good)).toBe('nothing');
    expect(problem({ ...good, caFile: null })).toBe('nothing');
  });

  test.each(['certFile', 'keyFile', 'caFile'] as const)('a missing %s', (key) => {
    const name = { certFile: 'cert_file', keyFile: 'key_file', caFile: 'ca_file' }[key];
    expect(problem({ ...good, [key]: '/nowhere/a.pem' })).toBe(
      `peer_tls.${name}: "/nowhere/a.pem" does not exist`,
    );
    expect(problem({ ...good, [key]: directory.path })).toBe(
      `peer_tls.${name}: "${directory.path}" is a directory; name the file`,
    );
  });

  test.skipIf(process.getuid?.() === 0)('a file that may not be read', () => {
    const path = file('secret.key', '');
    chmodSync(path, 0);
    expect(problem({ ...good, keyFile: path })).toBe(
      `peer_tls.key_file: "${path}" may not be read by this user`,
    );
  });

  test('files that hold something else', () => {
    const empty = file('empty.pem', '');
    expect(problem({ ...good, certFile: empty })).toBe(
      `peer_tls.cert_file: "${empty}" holds no certificate in PEM`,
    );
    expect(problem({ ...good, caFile: good.keyFile })).toBe(
      `peer_tls.ca_file: "${good.keyFile}" holds no certificate in PEM`,
    );
    expect(problem({ ...good, keyFile: good.certFile })).toBe(
      `peer_tls.key_file: "${good.certFile}" holds no private key in PEM`,
    );
    const damaged = file('damaged.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(problem({ ...good, certFile: damaged })).toBe(
      `peer_tls.cert_file: certificate 1 in "${damaged}" is damaged`,
    );
  });

  test('a key of another certificate, and one with a passphrase', () => {
    expect(problem({ ...good, keyFile: other.keyFile })).toBe(
      `peer_tls.key_file: the key in "${other.keyFile}" does not belong to the certificate in "${good.certFile}"`,
    );
    const locked = join(directory.path, 'locked.key');
    execFileSync('openssl', ['pkcs8', '-topk8', '-in', good.keyFile, '-passout', 'pass:x', '-out', locked]);
    expect(problem({ ...good, keyFile: locked })).toBe(
      `peer_tls.key_file: the key in "${locked}" has a passphrase; write it without one`,
    );
  });

  test('one that has ended, and one that has not begun', () => {
    const ended = authority.issue('ended', { days: -1 });
    expect(problem(ended)).toMatch(
      /^peer_tls\.cert_file: the certificate in "[^"]+ended\.crt" expired on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
    expect(problem(good, Date.now() - 7 * 86_400_000)).toMatch(
      /^peer_tls\.cert_file: the certificate in "[^"]+good\.crt" is valid from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ on only$/,
    );
  });
});

describe('files that change', () => {
  test('are read again; what cannot be used leaves the old ones in force, and is told once', async () => {
    const logger = new RecordingLogger();
    const identity = new TlsIdentity('peer_tls', authority.issue('changing'), logger);
    const { certFile, keyFile } = identity.files;
    const context = identity.contextOptions;
    renameSync(certFile, `${certFile}.kept`);
    await until(() => {
      identity.refresh();
      return logger.lines.length > 0;
    }, 'a line about the missing file');
    expect(logger.lines).toEqual([
      `error peer_tls.cert_file: "${certFile}" does not exist; the certificates of before stay in use`,
    ]);
    expect(identity.contextOptions).toBe(context);
    expect(identity.generation).toBe(1);
    authority.issue('changing');
    // Whatever the file system's clock is worth.
    utimesSync(keyFile, new Date(), new Date(statSync(keyFile).mtimeMs + 5_000));
    await until(() => {
      identity.refresh();
      return identity.generation === 2;
    }, 'the new certificates');
    expect(identity.contextOptions).not.toBe(context);
    expect(logger.lines.slice(1).join('\n')).toMatch(
      /^info peer_tls: the certificates were read again; this one ends on /,
    );
  });
});
