/** Which interface a configuration was written for: each has its own keys, and all mean one server's configuration. */
import { parseConfig, type ParsedConfig } from './config/parse-config.ts';
import { isLibraftConfig, parseLibraftConfig } from './libraft-config.ts';

/** Throws ServerError CONFIG with a text that names key and remedy. Resolves host names where the interface has them. */
export async function parseInterfaceConfig(text: string): Promise<ParsedConfig> {
  return isLibraftConfig(text) ? await parseLibraftConfig(text) : parseConfig(text);
}
