/** What happens to polyraft's own clusters beside the cases; a scenario that fails or hangs makes a row that says so. */
import { withDeadline } from '../deadline.ts';
import type { Failure } from '../measure.ts';
import type { Program } from '../subjects/driven.ts';
import { catchUp } from './catch-up.ts';
import { fullLoad } from './full-load.ts';
import { idle } from './idle.ts';
import { SCENARIO_NAMES, type ScenarioName } from './names.ts';
import { readIndex } from './read-index.ts';
import { restart } from './restart.ts';
import { Scene, type Scenario, type ScenarioFigure, type ScenarioSize } from './scenario.ts';
import { snapshotInstall } from './snapshot-install.ts';

const SCENARIOS: Record<ScenarioName, Scenario> = {
  idle,
  'full-load': fullLoad,
  'read-index': readIndex,
  'snapshot-install': snapshotInstall,
  restart,
  'catch-up': catchUp,
};
/** As long a scenario has also when the time of all is over, so that a row says what it was at. */
const SECONDS_MIN = 10;
/** For the processes of a scenario that was given up to end. */
const STOP_MS = 30_000;

export interface ScenarioResult {
  readonly figures: readonly ScenarioFigure[];
  readonly failures: readonly Failure[];
}

async function play(
  scenario: Scenario,
  program: Program,
  parent: string,
  size: ScenarioSize,
): Promise<ScenarioResult> {
  const scene = new Scene(program, parent, size);
  const title = scenario.title(size);
  const playing = scenario.play(scene);
  try {
    await withDeadline(playing, size.secondsMax * 1000, title, () => {
      scene.stop();
    });
    return { figures: scene.figures.of(title, program.name), failures: [] };
  } catch (error) {
    const ended = playing.catch(() => undefined);
    await withDeadline(ended, STOP_MS, title, () => undefined).catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    return {
      figures: scene.figures.of(title, program.name),
      failures: [{ subject: program.name, case: title, why }],
    };
  }
}

/** Each scenario for all programs before the next. */
export async function measureScenarios(
  names: readonly ScenarioName[],
  programs: readonly Program[],
  parent: string,
  size: ScenarioSize,
  tell: (text: string) => void,
): Promise<ScenarioResult> {
  const figures: ScenarioFigure[] = [];
  const failures: Failure[] = [];
  const began = performance.now();
  for (const name of SCENARIO_NAMES.filter((each) => names.includes(each))) {
    for (const program of programs) {
      const left = Math.max(SECONDS_MIN, size.secondsAll - (performance.now() - began) / 1000);
      const secondsMax = Math.min(size.secondsMax, left);
      const result = await play(SCENARIOS[name], program, parent, { ...size, secondsMax });
      figures.push(...result.figures);
      failures.push(...result.failures);
      const found = result.figures.map(({ figure, unit, median }) =>
        `${figure} ${median.toFixed(1)} ${unit}`.trim(),
      );
      tell(`${name}, ${program.name}: ${found.join(', ')}`);
      for (const { why } of result.failures) tell(`  ${why.split('\n')[0]!}`);
    }
  }
  return { figures, failures };
}
