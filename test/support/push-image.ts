import { openAsBlob } from 'node:fs';
import { blobFile, MANIFEST, readManifest } from './oci-layout.ts';

export type PushTarget = { host: string; repository?: string; user?: { name: string; password: string } };

/** Pushes an image of a layout to a registry over plain http, byte for byte. Returns its reference. */
export async function pushImage(layout: string, tag: string, target: PushTarget): Promise<string> {
  const { host, repository = 'test', user } = target;
  const base = `http://${host}/v2/${repository}`;
  const authorization = user && `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`;
  const call = async (method: string, url: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (authorization) headers.set('authorization', authorization);
    const response = await fetch(url, { method, ...init, headers });
    if (response.ok || response.status === 404) return response;
    throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  };

  /** distribution-spec, "Pushing a blob monolithically: POST then PUT". */
  async function pushBlob(digest: string): Promise<void> {
    if ((await call('HEAD', `${base}/blobs/${digest}`)).ok) return;
    const session = await call('POST', `${base}/blobs/uploads/`);
    await session.arrayBuffer();
    const url = new URL(session.headers.get('location') ?? '', base);
    url.searchParams.set('digest', digest);
    const body = await openAsBlob(blobFile(layout, digest));
    await (
      await call('PUT', url.href, { body, headers: { 'content-type': 'application/octet-stream' } })
    ).arrayBuffer();
  }

  const { bytes: body, config, layers } = await readManifest(layout, tag);
  for (const { digest } of [config, ...layers]) await pushBlob(digest);
  const pushed = await call('PUT', `${base}/manifests/${tag}`, { body, headers: { 'content-type': MANIFEST } });
  await pushed.arrayBuffer();
  return `${host}/${repository}:${tag}`;
}
