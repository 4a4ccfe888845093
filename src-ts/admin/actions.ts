/** What can be changed through the admin endpoint. Bodies are JSON objects; ids are numbers or decimal text. */
import { isLosslessNumber, parse } from 'lossless-json';
import { ErrorCode } from '../core/codes.generated.ts';
import { nodeIdFromBigint, type NodeId } from '../core/node-id.ts';
import { ServerError, type MemberOperation, type RaftServer } from '../server/api.ts';

const OPERATIONS: readonly MemberOperation[] = ['add', 'remove', 'update', 'add-learner', 'promote'];
const LARGEST_ID = 2n ** 64n - 1n;

export interface Action {
  /** For the log; holds nothing secret. */
  readonly text: string;
  /** Resolves with the fields of the answer. */
  run(): Promise<Readonly<Record<string, number | string>>>;
}

/** Says what is wrong with a URL of a peer, or null; the facade knows. */
export type UrlCheck = (url: string) => string | null;

type Body = Readonly<Record<string, unknown>>;

function invalid(text: string): ServerError {
  return new ServerError(ErrorCode.INVALID_ARGUMENT, text);
}

function bodyOf(text: string): Body {
  let value: unknown;
  try {
    value = text === '' ? {} : parse(text);
  } catch {
    throw invalid('the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isLosslessNumber(value))
    throw invalid('the body must be a JSON object');
  return value as Body;
}

function only(body: Body, keys: readonly string[]): void {
  const other = Object.keys(body).find((key) => !keys.includes(key));
  if (other !== undefined)
    throw invalid(
      `"${other.slice(0, 50)}" is not a key of this request; it has ${keys.join(', ') || 'none'}`,
    );
}

function idOf(body: Body, key: string): NodeId {
  const value = body[key];
  const text = isLosslessNumber(value) ? value.value : value;
  if (typeof text !== 'string' || !/^[0-9]{1,20}$/.test(text) || text === '0' || BigInt(text) > LARGEST_ID)
    throw invalid(`"${key}" must be the id of a node: 1 to 2^64-1`);
  return nodeIdFromBigint(BigInt(text));
}

function members(server: RaftServer, body: Body, urlProblem: UrlCheck): Action {
  only(body, ['operation', 'id', 'url']);
  const operation = OPERATIONS.find((each) => each === body['operation']);
  if (operation === undefined) throw invalid(`"operation" must be one of ${OPERATIONS.join(', ')}`);
  const id = idOf(body, 'id');
  const needsUrl = operation !== 'remove' && operation !== 'promote';
  const { url } = body;
  if (needsUrl !== (url !== undefined))
    throw invalid(needsUrl ? `"url" is needed to ${operation}` : `"url" is not for ${operation}`);
  const name = String(body['id']);
  if (!needsUrl)
    return {
      text: `${operation} member ${name}`,
      run: async () => ({ index: await server.changeMember(operation, id, null) }),
    };
  if (typeof url !== 'string') throw invalid('"url" must be text');
  const problem = urlProblem(url);
  if (problem !== null) throw new ServerError(ErrorCode.URL, `url "${url.slice(0, 200)}" ${problem}`);
  return {
    text: `${operation} member ${name} at ${url}`,
    run: async () => ({ index: await server.changeMember(operation, id, url.replace(/\/$/, '')) }),
  };
}

/** Null when there is no such action. Throws ServerError when the body makes no sense. */
export function actionOf(
  server: RaftServer,
  path: string,
  text: string,
  urlProblem: UrlCheck,
): Action | null {
  switch (path) {
    case '/members':
      return members(server, bodyOf(text), urlProblem);
    case '/transfer': {
      const body = bodyOf(text);
      only(body, ['to']);
      const to = idOf(body, 'to');
      return {
        text: `transfer leadership to ${String(body['to'])}`,
        run: async () => {
          await server.transferLeadership(to);
          return { leader: String(body['to']) };
        },
      };
    }
    case '/snapshot':
      only(bodyOf(text), []);
      return { text: 'take a snapshot', run: async () => ({ index: await server.snapshot() }) };
    default:
      return null;
  }
}

export const ACTION_PATHS: ReadonlySet<string> = new Set(['/members', '/transfer', '/snapshot']);
