/**
 * What Terraform's resource `alicloud_eci_image_cache` does with the vendor's SDK for Go: the fields that it sends, what it
 * waits for, what it compares, and when it takes a cache for gone.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientRefusal, clientProgram } from '../support/client-program.ts';
import { GO_CLIENT } from '../support/language-clients.ts';
import { ACCESS_KEY } from '../support/larder-server.ts';
import { type ListedCache, programCall } from '../support/program-calls.ts';
import { skipWithout } from '../support/requirements.ts';
import { withLarder } from '../support/sdk-lifecycle.ts';
import { pushSmallImage } from '../support/small-image.ts';

/** Its own time-out is an hour, and it waits ten seconds before it asks first. */
const CREATE_TIMEOUT_MS = 30_000;
const POLL_MS = 20;
const PENDING = ['Preparing', 'Creating'];

type Described = ListedCache & { ContainerGroupId: string };

const program = clientProgram(GO_CLIENT);
after(() => program.close());

describe('what Terraform does', { skip: skipWithout({ tools: ['docker-registry', GO_CLIENT] }) }, () => {
  const world = withLarder();
  const key = { id: ACCESS_KEY.accessKeyId, secret: ACCESS_KEY.accessKeySecret };

  // The provider's settings are `endpoints { eci = … }`, or `endpoints { location = … }`, and protocol = "HTTP".
  for (const [setting, client] of [
    ['eci', 'models'],
    ['location', 'location'],
  ] as const) {
    const call = <T>(action: string, fields: object) =>
      programCall({ program, client, endpoint: world.larder.endpoint, key })<T>(action, fields);

    /** The first one, or nothing: which is how it tells that a cache is gone. */
    async function read(ImageCacheId: string): Promise<Described | undefined> {
      const { ImageCaches } = await call<{ ImageCaches: Described[] }>('DescribeImageCaches', { ImageCacheId });
      return ImageCaches[0];
    }

    async function waitForState(id: string): Promise<void> {
      for (const deadlineMs = Date.now() + CREATE_TIMEOUT_MS; ; await sleep(POLL_MS)) {
        const { Status } = (await read(id)) ?? assert.fail('not found while it is created');
        if (Status === 'Ready') return;
        assert.ok(PENDING.includes(Status), `unexpected state ${Status}`);
        assert.ok(Date.now() < deadlineMs, `still ${Status}`);
      }
    }

    test(`endpoint of ${setting}: create, wait, read, delete, read`, async () => {
      const pushed = [await pushSmallImage(world.registry), await pushSmallImage(world.registry)];
      const images = pushed.map(({ reference }) => reference);
      const created = await call<{ ImageCacheId: string }>('CreateImageCache', {
        ImageCacheName: `terraform-${setting}`,
        Image: images,
        SecurityGroupId: 'sg-2zeef68b66fxxxx',
        VSwitchId: 'vsw-2zef9k7ng82xxxx',
        EipInstanceId: 'eip-uf60c7cqb2pcrkgxhxxxx',
        ImageCacheSize: '20',
        ImageRegistryCredential: [{ Server: 'r.example.com', UserName: 'u', Password: 'p' }],
        RetentionDays: '7',
        ZoneId: 'cn-hangzhou-a',
      });
      await waitForState(created.ImageCacheId);

      const state = (await read(created.ImageCacheId)) ?? assert.fail();
      assert.match(state.ContainerGroupId, /^eci-[a-z0-9]{20}$/);
      assert.deepEqual([state.ImageCacheName, state.Status], [`terraform-${setting}`, 'Ready']);
      // A set; any other text would make every later plan replace the resource.
      assert.deepEqual(new Set(state.Images), new Set(images));

      await call('DeleteImageCache', { ImageCacheId: created.ImageCacheId });
      assert.equal(await read(created.ImageCacheId), undefined);
    });

    test(`endpoint of ${setting}: an image that is not there ends in Failed`, async () => {
      const created = await call<{ ImageCacheId: string }>('CreateImageCache', {
        ImageCacheName: 'missing',
        Image: [`${world.registry.host}/missing:1`],
        SecurityGroupId: 'sg-1',
        VSwitchId: 'vsw-1',
      });
      await assert.rejects(waitForState(created.ImageCacheId), /unexpected state Failed/);
    });

    test(`endpoint of ${setting}: deleting twice is an error of status 404`, async () => {
      const ImageCacheId = 'imc-00000000000000000000';
      await assert.rejects(call('DeleteImageCache', { ImageCacheId }), (error: ClientRefusal) => {
        assert.deepEqual([error.type, error.status], ['*errors.ServerError', 404]);
        return true;
      });
    });
  }
});
