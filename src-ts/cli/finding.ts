/** One thing that `polyraft doctor` has looked at. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warning' | 'problem';
  /** What was found. */
  readonly text: string;
  /** What to do; nothing when all is well. */
  readonly advice?: string;
}
