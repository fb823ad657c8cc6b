import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { IMAGE_CACHE_VIEW } from '../../src/api/index.ts';
import { type ImageCache, indexedImages, snapshotIdOf } from '../../src/caches/index.ts';
import { rowOfCache } from '../../src/store/cache-rows.ts';
import { randomNumbers, zipfNumbers } from '../../test/support/random.ts';

const IMAGES = 20;
const REPOSITORIES = 10_000;
const VERSIONS = 5;
const START_MS = Date.UTC(2026, 0, 1);
/** Rows of one transaction. */
const BATCH = 10_000;

export type Catalog = {
  /** Some of the ids, in no order. */
  readonly ids: readonly string[];
  /** References as the caches have them, by their popularity. */
  images(): string[];
};

/**
 * Puts Ready caches with 20 images, 3 tags and 4 events each into the database of a server that does not run, as
 * CreateImageCache and a build would have. The popularity of repositories is Zipf's; each next version is half as popular.
 */
export function fillCaches(
  databasePath: string,
  { count, accountId, regionId }: { count: number; accountId: string; regionId: string },
): Catalog {
  const random = randomNumbers(1);
  const images = referencesByPopularity(random);
  const database = new DatabaseSync(databasePath);
  try {
    database.exec('pragma synchronous = off; pragma cache_size = -2000000; pragma foreign_keys = off');
    const insert = createInsert(database);
    const indexes = dropIndexes(database);
    const ids: string[] = [];
    database.exec('begin');
    for (let number = 0; number < count; number++) {
      const cache = makeCache(number, { accountId, regionId, images: images(), random });
      if (number % Math.ceil(count / 50_000) === 0) ids.push(cache.id);
      insertCache(insert, cache, number + 1);
      if (number % BATCH === 0) database.exec('commit; begin');
    }
    insert('image_cache_counts', {
      account_id: accountId,
      region_id: regionId,
      caches: count,
      revision: count,
      removals_floor: 0,
    });
    // These snapshots have no manifests to copy.
    database.exec('delete from uncopied_snapshots; commit');
    for (const sql of indexes) database.exec(sql);
    database.exec('pragma wal_checkpoint(truncate)');
    return { ids, images };
  } finally {
    database.close();
  }
}

function makeCache(
  number: number,
  facts: { accountId: string; regionId: string; images: string[]; random: () => number },
): ImageCache {
  const { accountId, regionId, images, random } = facts;
  // Spread over all ids, as random ones are.
  const suffix = ((number * 2_654_435_761) % 2 ** 32).toString(36).padStart(20, '0').split('').toReversed().join('');
  const createdAtMs = START_MS + number * 1_000;
  const event = (reason: 'Started' | 'Pulling' | 'Pulled' | 'Ready', message: string) => ({
    type: 'Normal' as const,
    reason,
    message,
    name: `cache-${number}.${(createdAtMs * 1_000).toString(16)}`,
    count: 1,
    firstTimestampMs: createdAtMs,
    lastTimestampMs: createdAtMs + 30_000,
  });
  return {
    id: `imc-${suffix}`,
    accountId,
    regionId,
    name: `cache-${number}`,
    images,
    status: 'Ready',
    progressPercent: 100,
    sizeGib: 20 + 10 * Math.floor(random() * random() * 4),
    createdAtMs,
    containerGroupId: `eci-${suffix}`,
    snapshotId: snapshotIdOf(`eci-${suffix}`),
    resourceGroupId: 'rg-default',
    eliminationStrategy: '',
    registries: { plainHttpRegistries: [], insecureRegistries: [] },
    tags: [
      { key: 'env', value: random() < 0.3 ? 'prod' : 'test' },
      { key: 'team', value: `team-${Math.floor(random() * 50)}` },
      { key: 'release', value: String(number % 1_000) },
    ],
    events: [
      event('Started', 'Build of the image cache started.'),
      event('Pulling', `Pulling ${images.length} images.`),
      event('Pulled', `Pulled ${images.length} images in 30 s.`),
      event('Ready', 'The image cache is ready.'),
    ],
  };
}

type Insert = (table: string, row: Record<string, SQLInputValue>) => void;

function insertCache(insert: Insert, cache: ImageCache, revision: number): void {
  const scope = { image_cache_id: cache.id, account_id: cache.accountId, region_id: cache.regionId };
  insert('image_caches', rowOfCache(cache, { revision, view: IMAGE_CACHE_VIEW }));
  insert('snapshots', { id: cache.snapshotId ?? '', image_cache_id: cache.id });
  for (const { leaf, repository, reference } of indexedImages(cache.images)) {
    insert('image_cache_images', { ...scope, leaf, repository, reference });
  }
  for (const { key, value } of cache.tags) insert('image_cache_tags', { ...scope, key, value });
}

/** A statement a table, compiled once from the names of its first row. */
function createInsert(database: DatabaseSync): Insert {
  const statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  return (table, row) => {
    const names = Object.keys(row);
    const sql = `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`;
    const statement = statements.get(table) ?? database.prepare(sql);
    statements.set(table, statement);
    statement.run(...Object.values(row));
  };
}

/** Indexes are built faster once the rows are there; gives back what makes them again. */
function dropIndexes(database: DatabaseSync): string[] {
  const rows = database.prepare("select name, sql from sqlite_master where type = 'index' and sql is not null").all();
  for (const { name } of rows) database.exec(`drop index "${String(name)}"`);
  return rows.map(({ sql }) => String(sql));
}

function referencesByPopularity(random: () => number): () => string[] {
  const repository = zipfNumbers(REPOSITORIES, random);
  const version = () => Math.min(VERSIONS - 1, Math.floor(-Math.log2(1 - random())));
  return () => {
    const distinct = new Set<string>();
    while (distinct.size < IMAGES) distinct.add(`registry.test/team/app-${repository()}:1.${version()}`);
    return [...distinct];
  };
}
