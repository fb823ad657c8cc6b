import { z } from 'zod';
import { LarderError } from '../lib/errors.ts';

/** The fields that the command line shows; `--output json` prints the answer itself. */
const eventSchema = z.object({
  Type: z.string(),
  Reason: z.string().default(''),
  Message: z.string(),
  Count: z.number().default(1),
  LastTimestamp: z.string().default(''),
});

const cacheSchema = z.object({
  ImageCacheId: z.string(),
  ImageCacheName: z.string(),
  Status: z.string(),
  Progress: z.string().default(''),
  Images: z.array(z.string()).default([]),
  ImageCacheSize: z.number().optional(),
  CreationTime: z.string().default(''),
  ExpireDateTime: z.string().optional(),
  SnapshotId: z.string().optional(),
  ContainerGroupId: z.string().optional(),
  RegionId: z.string().optional(),
  Events: z.array(eventSchema).default([]),
});
export type ShownCache = z.infer<typeof cacheSchema>;

const describeSchema = z.object({
  ImageCaches: z.array(cacheSchema),
  NextToken: z.string().optional(),
  TotalCount: z.number().optional(),
});
const createSchema = z.object({ ImageCacheId: z.string(), ContainerGroupId: z.string().default('') });

const usageSchema = z.object({
  Attributes: z.object({ UsedImageCacheCount: z.number(), MaxImageCacheCount: z.number() }),
});

const progressSchema = z.object({
  Status: z.string(),
  Progress: z.string(),
  Layers: z.array(
    z.object({
      Image: z.string(),
      ImageIndex: z.number(),
      LayerIndex: z.number(),
      Digest: z.string(),
      DownloadedBytes: z.number(),
      TotalBytes: z.number(),
      State: z.enum(['waiting', 'pulling', 'done']),
    }),
  ),
});
/** One message of the server's progress stream. */
export type BuildProgress = z.infer<typeof progressSchema>;

export const parseDescribeAnswer = (answer: unknown) => parse(describeSchema, answer);
export const parseCreateAnswer = (answer: unknown) => parse(createSchema, answer);
export const parseUsageAnswer = (answer: unknown) => parse(usageSchema, answer);
export const parseProgress = (message: unknown) => parse(progressSchema, message);

function parse<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new LarderError(
    'cli.answer-unknown',
    `the server's answer is not the ECI API's (${fields}); check LARDER_ENDPOINT`,
  );
}
