/** Nodes of the libraft interface have no ids: they are their IPv4 address and port. */
import { promises as dns } from 'node:dns';
import { isIPv4 } from 'node:net';
import { ErrorCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import { ServerError } from '../server/api.ts';

const PORTS = 65_536;

export interface NodeAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * The address in 32 bits, then the port in 16: a hash of both that is never the same for two nodes, never 0 (the port is
 * not), and small enough for a plain number.
 */
export function idOfAddress(address: NodeAddress): NodeId {
  const [a, b, c, d] = address.ip.split('.').map(Number) as [number, number, number, number];
  return (((a * 256 + b) * 256 + c) * 256 + d) * PORTS + address.port;
}

export function urlOfAddress(address: NodeAddress): string {
  return `http://${address.ip}:${address.port}`;
}

/** "127.0.0.1:9001" of the URL of a member. */
export function addressText(url: string): string {
  return url.replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '');
}

/** Host and port of "host:port"; null when it is not that. */
export function splitAddress(text: string): { readonly host: string; readonly port: number } | null {
  const match = /^([^\s:/,]+):(\d{1,5})$/.exec(text.trim());
  if (match === null) return null;
  const port = Number(match[2]);
  return port >= 1 && port < PORTS ? { host: match[1]!, port } : null;
}

/** Throws ServerError RESOLVE. */
export async function resolveAddress(host: string, port: number): Promise<NodeAddress> {
  if (isIPv4(host)) return { ip: host, port };
  try {
    const { address } = await dns.lookup(host, { family: 4 });
    return { ip: address, port };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServerError(ErrorCode.RESOLVE, `"${host}" has no IPv4 address: ${reason}`);
  }
}
