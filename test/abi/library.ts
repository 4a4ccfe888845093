// The C ABI as a Node host sees it: through koffi, with the engine in a child process (two V8s in one process clash).
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

process.env['POLYRAFT_RUNTIME'] = 'process';

const file = fileURLToPath(new URL('../../build/lib/libpolyraft.so', import.meta.url));
if (!existsSync(file)) throw new Error(`${file} is not there: npm run build makes it`);
const library = koffi.load(file);

type NativeFunction = ReturnType<typeof library.func>;
type Registered = ReturnType<typeof koffi.register>;

koffi.proto(
  'int ApplyCallback(void *context, uint64_t index, uint64_t term, const void *data, uint64_t size)',
);
koffi.proto(
  'int RestoreCallback(void *context, uint64_t index, uint64_t term, const void *data, uint64_t size)',
);
koffi.proto('int SnapshotCallback(void *context, uint64_t index, _Out_ void **data, _Out_ uint64_t *size)');
koffi.proto('void FreeCallback(void *context, void *data)');
koffi.proto('void StateCallback(void *context, int state)');
koffi.proto(
  'int MessageCallback(void *context, const void *data, uint64_t size, _Out_ void **answer, _Out_ uint64_t *answer_size)',
);
koffi.proto('void EventCallback(void *context, int event, uint64_t value, const char *text)');
koffi.proto('void Completion(void *user, int code, uint64_t index, uint64_t term)');
koffi.struct('RAFT_Callbacks', {
  struct_size: 'size_t',
  apply: 'ApplyCallback *',
  restore: 'RestoreCallback *',
  take_snapshot: 'SnapshotCallback *',
  free_memory: 'FreeCallback *',
  state_change: 'StateCallback *',
  message: 'MessageCallback *',
  event: 'EventCallback *',
});
const optionsType = koffi.struct('RAFT_Options', {
  struct_size: 'size_t',
  config: 'const char *',
  callbacks: 'RAFT_Callbacks',
  context: 'void *',
  applied_index: 'uint64_t',
});

export const C = {
  newServerWith: library.func(
    'int RAFT_NewRaftServerWith(const RAFT_Options *options, _Out_ uint64_t *handle)',
  ),
  stopServer: library.func('int RAFT_StopServer(uint64_t handle)'),
  proposeAsync: library.func(
    'int RAFT_ProposeAsync(uint64_t handle, const void *data, size_t size, int timeout_ms, Completion *completion, void *user)',
  ),
  proposeWait: library.func(
    'int RAFT_ProposeWait(uint64_t handle, const void *data, size_t size, int timeout_ms, _Out_ uint64_t *index, _Out_ uint64_t *term)',
  ),
  getStatus: library.func('int RAFT_GetStatus(uint64_t handle, _Out_ char *buffer, size_t size)'),
  getPeersStatus: library.func('int RAFT_GetPeersStatus(uint64_t handle, _Out_ char *buffer, size_t size)'),
  saveSnapshot: library.func('int RAFT_SaveSnapshot(uint64_t handle, int timeout_ms, _Out_ uint64_t *index)'),
  changeMember: library.func(
    'int RAFT_ChangeMember(uint64_t handle, int change, uint64_t id, const char *url, int timeout_ms, _Out_ uint64_t *index)',
  ),
  lastError: library.func('const char *RAFT_LastError()'),
  strError: library.func('const char *RAFT_StrError(int code)'),
  newServer: library.func('uintptr_t RAFT_NewRaftServer(void *ctx, const char *config)'),
  deleteServer: library.func('void RAFT_DeleteRaftServer(uintptr_t raft)'),
  propose: library.func('int RAFT_Propose(uintptr_t raft, const void *data, int size)'),
  snapshot: library.func('int RAFT_Snapshot(uintptr_t raft)'),
  addServer: library.func('int RAFT_AddServer(uintptr_t raft, uint64_t id, const char *url)'),
  delServer: library.func('int RAFT_DelServer(uintptr_t raft, uint64_t id)'),
  changeServer: library.func('int RAFT_ChangeServer(uintptr_t raft, uint64_t id, const char *url)'),
  setLogger: library.func('int RAFT_SetLogger(const char *path, int debug)'),
  setLogLevel: library.func('int RAFT_SetLogLevel(int level)'),
  getVersion: library.func('void RAFT_GetVersion(_Out_ char *version, size_t size)'),
  sendMessage: library.func(
    'int RAFT_SendMessage(uint64_t raft, uint64_t id, const void *buf, size_t size, _Out_ char *outbuf, size_t outsize)',
  ),
} as const;

/** Calls a waiting function on a thread of koffi's, so that callbacks can run meanwhile. Resolves to its result. */
export function waiting(func: NativeFunction, ...parameters: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    func.async(...parameters, (error: unknown, result: number) => {
      if (error instanceof Error) reject(error);
      else resolve(result);
    });
  });
}

export interface Applied {
  readonly index: number;
  readonly data: string;
}

/** A server whose state machine is the list of what was applied. */
export class TestServer {
  readonly applied: Applied[] = [];
  readonly states: number[] = [];
  readonly events: { readonly code: number; readonly value: number; readonly text: string }[] = [];
  handle = 0n;
  private readonly callbacks: Registered[] = [];

  private register(callback: (...parameters: never[]) => unknown, type: string): Registered {
    const registered = koffi.register(callback as never, koffi.pointer(type));
    this.callbacks.push(registered);
    return registered;
  }

  /** Starts it; the code of RAFT_NewRaftServerWith. */
  async start(config: string): Promise<number> {
    const apply = (_context: unknown, index: number, _term: number, data: unknown, size: number): number => {
      const bytes =
        Number(size) === 0
          ? ''
          : Buffer.from(koffi.decode(data as never, 'uint8_t', Number(size)) as number[]).toString();
      this.applied.push({ index: Number(index), data: bytes });
      return 0;
    };
    const stateChange = (_context: unknown, state: number): void => {
      this.states.push(state);
    };
    const event = (_context: unknown, code: number, value: number, text: string): void => {
      this.events.push({ code, value: Number(value), text });
    };
    const out = [0];
    const code = await waiting(
      C.newServerWith,
      {
        struct_size: koffi.sizeof(optionsType),
        config,
        callbacks: {
          struct_size: koffi.sizeof('RAFT_Callbacks'),
          apply: this.register(apply as never, 'ApplyCallback'),
          restore: null,
          take_snapshot: null,
          free_memory: null,
          state_change: this.register(stateChange as never, 'StateCallback'),
          message: null,
          event: this.register(event as never, 'EventCallback'),
        },
        context: null,
        applied_index: 0,
      },
      out,
    );
    this.handle = BigInt(out[0]!);
    return code;
  }

  async stop(): Promise<number> {
    const code = await waiting(C.stopServer, this.handle);
    for (const callback of this.callbacks) koffi.unregister(callback);
    this.callbacks.length = 0;
    return code;
  }
}

export function temporaryDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'polyraft-abi-'));
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function eventually(condition: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
