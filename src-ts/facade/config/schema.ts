import { isLosslessNumber } from 'lossless-json';
import * as z from 'zod';
import type { TlsFiles } from '../../tls/files.ts';
import { FIELDS, TLS_FIELDS, type Field, type FieldName, type NamesField } from './fields.ts';
import { peerUrlKey, peerUrlProblem } from './peer-url.ts';

const LARGEST_ID = 2n ** 64n - 1n;

function fail(context: z.RefinementCtx, message: string): typeof z.NEVER {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}

/** Every JSON number arrives as its text, so that ids keep all their digits. */
function numberText(value: unknown): string | null {
  return isLosslessNumber(value) ? value.value : null;
}

function idSchema(zeroAllowed: boolean) {
  return z.unknown().transform((value, context): bigint => {
    const text = numberText(value);
    if (text === null || !/^\d+$/.test(text))
      return fail(context, 'must be a whole number, not negative, without quotes');
    const id = BigInt(text);
    if (id > LARGEST_ID) return fail(context, `is ${text}, above 2^64-1`);
    if (id === 0n && !zeroAllowed) return fail(context, 'must not be 0');
    return id;
  });
}

function integerSchema(minimum: number, maximum: number, unit: string) {
  return z.unknown().transform((value, context): number => {
    const text = numberText(value);
    const number = text === null ? Number.NaN : Number(text);
    if (!Number.isInteger(number)) return fail(context, `must be a whole number (${unit})`);
    if (number < minimum || number > maximum) {
      return fail(context, `is ${text}, outside ${minimum}..${maximum} (${unit})`);
    }
    return number;
  });
}

function textSchema(choices: readonly string[] | undefined) {
  return z.unknown().transform((value, context): string => {
    if (typeof value !== 'string') return fail(context, 'must be text in quotes');
    if (choices !== undefined && !choices.includes(value)) {
      return fail(context, `is "${value}"; use ${choices.map((choice) => `"${choice}"`).join(' or ')}`);
    }
    if (value === '') return fail(context, 'must not be empty');
    if (value.includes('\0')) return fail(context, 'must not contain a zero byte');
    return value;
  });
}

const booleanSchema = z.unknown().transform((value, context): boolean => {
  if (typeof value !== 'boolean') return fail(context, 'must be true or false');
  return value;
});

const urlSchema = z.unknown().transform((value, context): string => {
  if (typeof value !== 'string') return fail(context, 'must be text in quotes: "http://host:port"');
  const problem = peerUrlProblem(value);
  return problem === null ? value.replace(/\/$/, '') : fail(context, `"${value}" ${problem}`);
});

const peerSchema = z.object(
  { id: idSchema(false), url: urlSchema },
  'must be an object {"id": number, "url": text}',
);

const peersSchema = z
  .array(peerSchema, 'must be a list of {"id", "url"}')
  .min(1, 'must name at least this node')
  .superRefine((peers, context) => {
    const ids = new Map<bigint, number>();
    const urls = new Map<string, number>();
    peers.forEach((peer, i) => {
      const sameId = ids.get(peer.id);
      const sameUrl = urls.get(peerUrlKey(peer.url));
      if (sameId !== undefined) {
        context.addIssue({
          code: 'custom',
          path: [i, 'id'],
          message: `is ${peer.id}, the id of peers[${sameId}] too`,
        });
      }
      if (sameUrl !== undefined) {
        context.addIssue({
          code: 'custom',
          path: [i, 'url'],
          message: `is "${peer.url}", the URL of peers[${sameUrl}] too`,
        });
      }
      ids.set(peer.id, i);
      urls.set(peerUrlKey(peer.url), i);
    });
  });

const namesSchema = z.array(textSchema(undefined), 'must be a list of texts');

/** A misspelt member would leave a door open, so unknown ones are errors here. */
const tlsSchema = z
  .strictObject(shapeOf(TLS_FIELDS), {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has no member ${String(issue.keys[0])}; it may have ${Object.keys(TLS_FIELDS).join(', ')}`
        : 'must be an object {"cert_file", "key_file", "ca_file"}',
  })
  .transform((value, context): TlsFiles => {
    const raw = value as unknown as RawTls;
    if (raw.client_cert_auth && raw.ca_file === '') {
      return fail(context, 'needs ca_file, or client_cert_auth set to false');
    }
    return {
      certFile: raw.cert_file,
      keyFile: raw.key_file,
      caFile: raw.ca_file === '' ? null : raw.ca_file,
      clientCertAuth: raw.client_cert_auth,
      allowedNames: raw.allowed_names,
    };
  });

function schemaOf(field: Field | NamesField): z.ZodType {
  switch (field.kind) {
    case 'names':
      return namesSchema;
    case 'tls':
      return tlsSchema;
    case 'integer':
      return integerSchema(field.minimum, field.maximum, field.unit);
    case 'boolean':
      return booleanSchema;
    case 'id':
      return idSchema(field.zeroAllowed);
    case 'text':
      return textSchema(field.choices);
    case 'peers':
      return peersSchema;
  }
}

interface RawTls {
  readonly cert_file: string;
  readonly key_file: string;
  readonly ca_file: string;
  readonly client_cert_auth: boolean;
  readonly allowed_names: readonly string[];
}

type ValueOf<F extends Field> = F extends { readonly kind: 'integer' }
  ? number
  : F extends { readonly kind: 'boolean' }
    ? boolean
    : F extends { readonly kind: 'id' }
      ? bigint
      : F extends { readonly kind: 'peers' }
        ? readonly { readonly id: bigint; readonly url: string }[]
        : F extends { readonly kind: 'tls' }
          ? TlsFiles | undefined
          : string;

/** A configuration whose every key stands alone; rules between keys are parseConfig's. */
export type RawConfig = { readonly [Name in FieldName]: ValueOf<(typeof FIELDS)[Name]> };

/** zod speaks of types when a key is missing; people of keys. */
function required(schema: z.ZodType, example: string): z.ZodType {
  return z.preprocess((value, context) => {
    if (value === undefined) context.addIssue({ code: 'custom', message: `is required; add ${example}` });
    return value;
  }, schema);
}

function shapeOf(fields: Readonly<Record<string, Field | NamesField>>): Record<string, z.ZodType> {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, field] of Object.entries(fields)) {
    const schema = schemaOf(field);
    if (field.default === null) shape[name] = required(schema, `"${name}": ${field.example}`);
    else shape[name] = field.kind === 'tls' ? schema.optional() : schema.default(field.default);
  }
  return shape;
}

export const configSchema = z.object(shapeOf(FIELDS)) as unknown as z.ZodType<RawConfig>;
