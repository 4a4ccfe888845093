// Nodes of the libraft interface are addresses: what is one node, what is not, and what is no address.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import {
  addressText,
  idOfAddress,
  resolveAddress,
  splitAddress,
  urlOfAddress,
  type NodeAddress,
} from '../../src-ts/facade/libraft-address.ts';
import { ServerError } from '../../src-ts/server/api.ts';

const ipv4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.'));
const address: fc.Arbitrary<NodeAddress> = fc.record({ ip: ipv4, port: fc.integer({ min: 1, max: 65_535 }) });

describe('the id of an address', () => {
  it('is a plain number above 0, and the same only for the same address', () => {
    fc.assert(
      fc.property(address, address, (one, other) => {
        const id = idOfAddress(one);
        expect(Number.isSafeInteger(id) && id > 0).toBe(true);
        expect(id === idOfAddress(other)).toBe(one.ip === other.ip && one.port === other.port);
      }),
    );
  });

  it('tells neighbours apart: the next port, the next address, a port carried over', () => {
    const ids = [
      { ip: '10.0.0.1', port: 1 },
      { ip: '10.0.0.1', port: 2 },
      { ip: '10.0.0.2', port: 1 },
      { ip: '10.0.1.1', port: 1 },
      { ip: '10.0.0.1', port: 65_535 },
      { ip: '255.255.255.255', port: 65_535 },
      { ip: '0.0.0.0', port: 1 },
    ].map(idOfAddress);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('an address survives its URL, and its text', () => {
  fc.assert(
    fc.property(address, (one) => {
      const text = addressText(urlOfAddress(one));
      expect(text).toBe(`${one.ip}:${one.port}`);
      expect(splitAddress(text)).toEqual({ host: one.ip, port: one.port });
    }),
  );
});

describe('host:port', () => {
  it.each([
    ['localhost:9001', { host: 'localhost', port: 9001 }],
    ['  node-1.example.com:1  ', { host: 'node-1.example.com', port: 1 }],
    ['127.0.0.1:65535', { host: '127.0.0.1', port: 65_535 }],
    ['127.0.0.1:00080', { host: '127.0.0.1', port: 80 }],
  ])('%j', (text, expected) => {
    expect(splitAddress(text)).toEqual(expected);
  });

  it.each([
    '',
    'localhost',
    'localhost:',
    ':9001',
    'localhost:0',
    'localhost:65536',
    'localhost:900000',
    'localhost:9001x',
    'localhost:-1',
    'a:b:1',
    'a b:1',
    'http://localhost:9001',
    '::1',
    '[::1]:9001',
  ])('is not %j', (text) => {
    expect(splitAddress(text)).toBeNull();
  });
});

describe('a host', () => {
  it('that is an IPv4 address is taken as it is; localhost is 127.0.0.1', async () => {
    expect(await resolveAddress('192.0.2.7', 5)).toEqual({ ip: '192.0.2.7', port: 5 });
    expect(await resolveAddress('localhost', 5)).toEqual({ ip: '127.0.0.1', port: 5 });
  });

  it('without an IPv4 address is RESOLVE, and the text names it', async () => {
    const error: unknown = await resolveAddress('no-such-host.invalid', 5).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ServerError);
    expect((error as ServerError).code).toBe(ErrorCode.RESOLVE);
    expect((error as ServerError).message).toContain('no-such-host.invalid');
  });
});
