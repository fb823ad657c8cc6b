import { Client, credentials } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { z } from 'zod';

const CALL_TIMEOUT_MS = 120_000;

/** Of k8s.io/cri-api v1, what the tests call. */
const DEFINITIONS = fromJSON(
  {
    nested: {
      'runtime.v1': {
        nested: {
          ImageService: {
            methods: {
              PullImage: { requestType: 'PullImageRequest', responseType: 'PullImageResponse', comment: '' },
              ListImages: { requestType: 'ListImagesRequest', responseType: 'ListImagesResponse', comment: '' },
            },
          },
          ImageSpec: { fields: { image: { type: 'string', id: 1 } } },
          PullImageRequest: { fields: { image: { type: 'ImageSpec', id: 1 } } },
          PullImageResponse: { fields: { imageRef: { type: 'string', id: 1 } } },
          ListImagesRequest: { fields: {} },
          ListImagesResponse: { fields: { images: { rule: 'repeated', type: 'Image', id: 1 } } },
          Image: {
            fields: {
              id: { type: 'string', id: 1 },
              repoTags: { rule: 'repeated', type: 'string', id: 2 },
              repoDigests: { rule: 'repeated', type: 'string', id: 3 },
            },
          },
        },
      },
    },
  },
  { defaults: true },
);

const listSchema = z.object({
  images: z.array(z.object({ id: z.string(), repoTags: z.array(z.string()), repoDigests: z.array(z.string()) })),
});
const pullSchema = z.object({ imageRef: z.string() });

export type Cri = {
  /** Returns the image's id. */
  pull(image: string): Promise<string>;
  list(): Promise<{ id: string; repoTags: string[]; repoDigests: string[] }[]>;
  close(): void;
};

/** What the kubelet calls of a container runtime, by the runtime's unix socket. */
export function createCri(address: string): Cri {
  const client = new Client(`unix:${address}`, credentials.createInsecure());
  const service = DEFINITIONS['runtime.v1.ImageService'];
  if (service === undefined || 'format' in service) throw new Error('no ImageService');
  const methods = service;

  function call(name: string, request: object): Promise<unknown> {
    const method = methods[name];
    if (!method) throw new Error(`no method ${name}`);
    const deadline = Date.now() + CALL_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }
  return {
    pull: async (image) => pullSchema.parse(await call('PullImage', { image: { image } })).imageRef,
    list: async () => listSchema.parse(await call('ListImages', {})).images,
    close: () => client.close(),
  };
}
