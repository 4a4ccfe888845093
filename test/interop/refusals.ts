/** What a member answers to one that was removed, asked as rafthttp asks: one request for each of its three ways. */
import { request } from 'node:http';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';

/** Of the configurations that the tests of this room write (cluster-config.ts). */
const CLUSTER_ID = 1;

export interface Refusals {
  readonly pipeline: number;
  readonly appends: number;
  readonly messages: number;
}

/** Statuses of member `to`, whose listener is on loopback, for requests in the name of `from`. */
export async function refusals(port: number, to: number, from: number): Promise<Refusals> {
  const vote = encodeMessage(
    makeMessage({ type: MessageType.Vote, from, to, term: 1, index: 1, logTerm: 1 }),
  );
  return {
    pipeline: await status(port, to, from, 'POST', '/raft', vote),
    appends: await status(port, to, from, 'GET', `/raft/stream/msgapp/${from.toString(16)}`),
    messages: await status(port, to, from, 'GET', `/raft/stream/message/${from.toString(16)}`),
  };
}

function status(
  port: number,
  to: number,
  from: number,
  method: string,
  path: string,
  body?: Uint8Array,
): Promise<number> {
  const headers = {
    'X-Etcd-Cluster-ID': CLUSTER_ID.toString(16),
    'X-Server-From': from.toString(16),
    'X-Server-Version': '3.5.0',
    'X-Min-Cluster-Version': '3.0.0',
    'X-Raft-To': to.toString(16),
  };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
      resolve(answer.statusCode!);
      asked.destroy();
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
