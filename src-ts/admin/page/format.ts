/** Numbers and times of the page alone; units.ts has the others. */
import { grouped } from '../units.ts';

export function orDash(value: number | null): string {
  return value === null ? '–' : grouped(value);
}

/** 1,234 · 12.3k · 4.56M: short enough for an axis. */
export function short(value: number): string {
  if (value < 1) return String(Number(value.toPrecision(2)));
  if (value < 1_000) return String(Math.round(value * 10) / 10);
  if (value < 1_000_000) return `${trimmed(value / 1_000)}k`;
  return `${trimmed(value / 1_000_000)}M`;
}

function trimmed(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

export function milliseconds(value: number): string {
  if (value < 10) return `${value.toFixed(2)} ms`;
  if (value < 100) return `${value.toFixed(1)} ms`;
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function clockTime(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString('en-GB');
}
