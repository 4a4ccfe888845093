/** The bundler puts the version here. */
export const VERSION = process.env.POLYRAFT_ENGINE_VERSION ?? '0.0.0';
