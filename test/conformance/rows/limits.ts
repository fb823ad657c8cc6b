import type { Client, Params } from '../client.ts';
import { EDGES_OF_CREATE, type Edges, edgesOfBoth } from '../edges.ts';
import type { Live } from '../live.ts';
import { type Row, rowsOf } from '../row.ts';

const SAMPLE = 'registry.example.com/team/app:1';
/** What passed every check of a dry run would have been done. */
const TAKEN = { status: 400, code: 'DryRunOperation' } as const;
/** Some values are too long for a query. */
const FORM = { place: 'form' } as const;

type Subject = {
  readonly action: string;
  readonly edges: (image: string) => readonly Edges[];
  /** The call into which each value goes. */
  readonly base: (client: Client) => Promise<Params>;
};

const SUBJECTS: readonly Subject[] = [
  {
    action: 'CreateImageCache',
    edges: (image) => [...edgesOfBoth(image), ...EDGES_OF_CREATE],
    base: async (client) => ({ ImageCacheName: 'test', Image: [client.image] }),
  },
  {
    action: 'UpdateImageCache',
    edges: edgesOfBoth,
    base: async (client) => ({ ImageCacheId: await client.create(), Image: [client.image] }),
  },
];

async function runEdges(live: Live, { action, edges, base }: Subject, wanted: string): Promise<void> {
  const client = await live.newClient();
  const params = await base(client);
  const [top = ''] = wanted.split('.');
  for (const { name, taken, refused } of edges(live.image)) {
    if (name !== wanted) continue;
    for (const value of taken) await client.refused(action, { ...params, [top]: value, DryRun: true }, TAKEN, FORM);
    for (const [value, refusal] of refused) await client.refused(action, { ...params, [top]: value }, refusal, FORM);
  }
}

/** The last values of each parameter that are taken, and the first that are refused, with the text of the refusal. */
export const limits: readonly Row[] = SUBJECTS.flatMap((subject) => {
  const names = new Set(subject.edges(SAMPLE).map(({ name }) => name));
  const title = 'the last values that are taken, and the first that are not';
  const row = rowsOf(subject.action);
  return [...names].map((name) => row('parameter', name, title, (live) => runEdges(live, subject, name)));
});
