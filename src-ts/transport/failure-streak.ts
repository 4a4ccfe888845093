/** One line in so many: two streams dial ten times a second each, so this is about a minute. */
const SILENT = 1_000;

/** Failures of one kind without a success between them: which of them are worth a line in the log. */
export class FailureStreak {
  private count = 0;
  private last = '';

  /** The first one, then one in a while, and each with another reason than the one before. */
  isNews(reason: string): boolean {
    const isNews = this.count++ % SILENT === 0 || reason !== this.last;
    this.last = reason;
    return isNews;
  }

  end(): void {
    this.count = 0;
  }
}
