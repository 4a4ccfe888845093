/** A host program of test/bindings/README.md, seen from outside. */
import { LineProcess } from '../../scripts/tools/line-process.ts';
import type { Command } from './languages.ts';

/** Longer than any timeout that a command is given: when it passes, the host itself is at fault. */
const ANSWER_TIMEOUT_MS = 90_000;

export class HostError extends Error {
  readonly code: string;
  readonly text: string;

  constructor(command: string, code: string, text: string) {
    super(`${command}: ${code}: ${text}`);
    this.code = code;
    this.text = text;
  }
}

export class HostProgram {
  readonly process: LineProcess;
  private tag = 0;
  private readonly waiting = new Map<string, (answer: string) => void>();

  constructor(name: string, command: Command, directory: string, environment: Record<string, string>) {
    this.process = new LineProcess(name, command.program, command.args, {
      cwd: directory,
      environment: { ...command.environment, ...environment },
    });
    this.process.on('line', (line) => {
      const space = line.indexOf(' ');
      const tag = line.slice(0, space);
      this.waiting.get(tag)?.(line.slice(space + 1));
      this.waiting.delete(tag);
    });
  }

  /** The words of its answer; throws HostError when that is an error. */
  async ask(command: string, ...words: (string | number)[]): Promise<string> {
    const tag = String(++this.tag);
    const answer = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.process.name}: no answer to ${command} in ${ANSWER_TIMEOUT_MS} ms`));
      }, ANSWER_TIMEOUT_MS);
      this.waiting.set(tag, (text) => {
        clearTimeout(timer);
        resolve(text);
      });
      void this.process.exited.then((exit) => {
        clearTimeout(timer);
        const errors = this.process.errors.slice(-30).join('\n');
        reject(
          new Error(`${this.process.name} ended (${exit.signal ?? exit.code}) before ${command}\n${errors}`),
        );
      });
      this.process.send([tag, command, ...words].join(' '));
    });
    const [, kind, rest] = /^(ok|error)(?: (.*))?$/.exec(answer) ?? [];
    if (kind === 'ok') return rest ?? '';
    if (kind !== 'error') throw new Error(`${this.process.name}: not an answer to ${command}: ${answer}`);
    const [, code, text] = /^(\S+) ?(.*)$/.exec(rest ?? '') ?? [];
    throw new HostError(command, code ?? '', text ?? '');
  }

  kill(signal: NodeJS.Signals): ReturnType<LineProcess['kill']> {
    return this.process.kill(signal);
  }
}
