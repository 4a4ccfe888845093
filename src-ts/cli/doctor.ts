/** `polyraft doctor`: checks what a node stands on, and says what is wrong and what to do. Changes nothing. */
import { readFile } from 'node:fs/promises';
import { textOf } from '../server/errors.ts';
import type { ServerConfig } from '../server/api.ts';
import { parseConfig } from '../facade/config/parse-config.ts';
import { checkDirectory, checkSyncs, checkToken } from './doctor-disk.ts';
import { checkLocalAddress, checkPeer } from './doctor-network.ts';
import { checkCertificate } from './doctor-tls.ts';
import { checkClock, checkFiles, checkTimers } from './doctor-system.ts';
import type { Finding } from './finding.ts';
import { ExitCode, type Output } from './output.ts';
import { counted, table } from './table.ts';

const SECRET_IN_THE_CLEAR: Finding = {
  check: 'admin_url',
  result: 'warning',
  text: 'the secret of admin_token_file crosses the network in the clear',
  advice: 'write https:// in admin_url, and add admin_tls',
};

export async function doctor(path: string, asJson: boolean, output: Output): Promise<ExitCode> {
  const findings: Finding[] = [];
  const add = (found: Finding | readonly Finding[]): void => {
    findings.push(...(Array.isArray(found) ? (found as readonly Finding[]) : [found as Finding]));
  };
  const step = async (what: string, work: () => Promise<Finding | readonly Finding[]>): Promise<void> => {
    output.progress?.(`checking ${what}`);
    add(await work());
  };
  // Without the file there is nothing that could be checked.
  const text = await readFile(path, 'utf8');
  const config = readConfig(path, text, add);
  await step('the clock', checkClock);
  await step('timers', () => checkTimers(config?.tickMs ?? 100));
  await step('limits', checkFiles);
  if (config !== null) {
    await step('waldir', () => checkDirectory('waldir', config.walDirectory));
    await step('snapdir', () => checkDirectory('snapdir', config.snapDirectory));
    await step('the disk', () => checkSyncs(config));
    const own = config.peers.find(({ id }) => id === config.id)!;
    const { admin, peerTls } = config;
    const peerCertificate = peerTls === undefined ? null : checkCertificate('peer_tls', peerTls, own.url);
    if (peerCertificate !== null) add(peerCertificate.findings);
    await step('the own address', () =>
      checkLocalAddress('address', own.url, '/raft/probing', peerCertificate?.fingerprint ?? null),
    );
    if (admin !== undefined) {
      const { tokenFile, tls, url, remote } = admin;
      const certificate = tls === null ? null : checkCertificate('admin_tls', tls, url);
      if (certificate !== null) add(certificate.findings);
      await step('admin_url', () =>
        checkLocalAddress('admin_url', url, '/healthz', certificate?.fingerprint ?? null),
      );
      if (remote && tls === null && tokenFile !== null) add(SECRET_IN_THE_CLEAR);
      if (tokenFile !== null) await step('admin_token_file', () => checkToken(tokenFile));
    }
    const others = config.peers.filter(({ id }) => id !== config.id);
    await step('peers', async () =>
      (await Promise.all(others.map((peer) => checkPeer(peer, config)))).flat(),
    );
  }
  output.progress?.('');
  report(findings, asJson, output);
  return findings.some(({ result }) => result === 'problem') ? ExitCode.Damaged : ExitCode.Fine;
}

function readConfig(path: string, text: string, add: (finding: Finding) => void): ServerConfig | null {
  const check = 'configuration';
  try {
    const { config, warnings } = parseConfig(text);
    if (warnings.length === 0) add({ check, result: 'ok', text: `${path} is in order` });
    for (const warning of warnings)
      add({ check, result: 'warning', text: warning.replace('configuration: ', '') });
    return config;
  } catch (error) {
    add({
      check,
      result: 'problem',
      text: textOf(error).replace('configuration: ', ''),
      advice: 'docs/CONFIGURATION.md has every key; the checks that need one were left out',
    });
    return null;
  }
}

function report(findings: readonly Finding[], asJson: boolean, output: Output): void {
  if (asJson) {
    output.line(JSON.stringify({ findings }, null, 2));
    return;
  }
  const rows = findings.map(({ check, result, text, advice }) => [
    result === 'ok' ? 'ok' : result.toUpperCase(),
    check,
    advice === undefined ? text : `${text}; ${advice}`,
  ]);
  for (const line of table(['result', 'check', 'what was found'], rows, output.columns)) output.line(line);
  const count = (result: Finding['result']): number =>
    findings.filter((finding) => finding.result === result).length;
  output.line('');
  output.line(
    `${count('ok')} in order, ${counted(count('warning'), 'warning')}, ${counted(count('problem'), 'problem')}`,
  );
}
