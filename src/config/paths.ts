import { join, resolve } from 'node:path';
import envPaths from 'env-paths';

/** The environment as a parameter. */
export type Environment = Readonly<Record<string, string | undefined>>;

const platformPaths = envPaths('larder', { suffix: '' });

/** The folder of database, layers and snapshots: `LARDER_DATA`, else the platform's data folder (on Linux `~/.local/share/larder`). */
export function defaultDataDirectory(env: Environment): string {
  return resolve(env.LARDER_DATA || platformPaths.data);
}

/** The file in which `larder serve` leaves what a client on the same machine needs: `LARDER_PROFILE`, else `profile.json` in the configuration folder. */
export function profilePath(env: Environment): string {
  return resolve(env.LARDER_PROFILE || join(platformPaths.config, 'profile.json'));
}
