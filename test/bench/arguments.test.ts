import { describe, expect, it } from 'vitest';
import { ArgumentError, readArguments, USAGE } from '../../bench/arguments.ts';
import { settingsFor } from '../../bench/settings.ts';

describe('the command line', () => {
  it('without anything is the full form', () => {
    expect(readArguments([], {})).toEqual({
      wantsHelp: false,
      isQuick: false,
      isDrift: false,
      hasPeers: true,
      hasScenarios: true,
      json: null,
      case: null,
      scenario: null,
      runtime: null,
      ownCase: null,
      reportOnly: null,
      scale: 1,
    });
  });

  it('may be a question', () => {
    for (const asked of ['--help', '-h']) expect(readArguments([asked], {}).wantsHelp).toBe(true);
    expect(USAGE).toMatch(/^npm run bench -- \[options\]\n/);
  });

  it('takes its options', () => {
    const args = ['--quick', '--json', 'out.json', '--runtime', 'process', '--no-peers'];
    const found = readArguments(args, { POLYRAFT_BENCH_SCALE: '0.25' });
    expect(found).toMatchObject({ isQuick: true, json: 'out.json', runtime: 'process', hasPeers: false });
    expect(found.scale).toBe(0.25);
    expect(readArguments(['--bytes', '128', '--nodes', '3'], {}).ownCase).toEqual({
      bytes: 128,
      window: 1,
      nodes: 3,
      proposers: 1,
    });
    expect(readArguments(['--case', 'x'], {}).hasScenarios).toBe(false);
  });

  it.each([
    [['--slow'], {}, /--slow/],
    [['file'], {}, /file/],
    [['--json'], {}, /--json/],
    [['--runtime', 'both'], {}, /--runtime: one of embedded, process, not 'both'/],
    [['--scenario', 'none'], {}, /--scenario: one of idle, /],
    [['--bytes', '1'], {}, /--bytes: a whole number from 16/],
    [['--bytes', '1e3'], {}, /--bytes/],
    [['--window', '0'], {}, /--window/],
    [['--nodes', '2'], {}, /--nodes: 1 or 3/],
    [['--proposers', '8'], {}, /--window: at least one entry for each/],
    [['--drift', '--case', 'x'], {}, /--case and --drift/],
    [['--window', '4', '--scenario', 'idle'], {}, /a case of your own and --scenario/],
    [[], { POLYRAFT_BENCH_SCALE: '0' }, /POLYRAFT_BENCH_SCALE/],
    [[], { POLYRAFT_BENCH_SCALE: '2' }, /POLYRAFT_BENCH_SCALE/],
    [[], { POLYRAFT_BENCH_SCALE: 'half' }, /'half'/],
  ])('%j %j is refused with a reason', (args, environment, reason) => {
    expect(() => readArguments(args, environment)).toThrow(ArgumentError);
    expect(() => readArguments(args, environment)).toThrow(reason);
  });

  it('a scale shortens what is measured and leaves the deadlines', () => {
    const whole = settingsFor(false, 1);
    const tenth = settingsFor(false, 0.1);
    expect(whole.scenarios.snapshotBytes).toBe(256 * 1024 * 1024);
    expect(whole.scenarios.entriesBehind).toBe(500_000);
    expect(tenth.scenarios.entriesBehind).toBe(50_000);
    expect(tenth.budget.seconds).toBeCloseTo(whole.budget.seconds / 10);
    expect(tenth.scenarios.secondsMax).toBe(whole.scenarios.secondsMax);
  });
});
