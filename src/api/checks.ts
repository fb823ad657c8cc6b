import { MAX_VSWITCHES, nameProblem, type RegistryCredential, type Tag, tagsProblem } from '../caches/index.ts';
import { describeError } from '../lib/errors.ts';
import { parseReference } from '../oci/index.ts';
import { apiError } from '../rpc/index.ts';

/** Throws InvalidParameter when this can't be the name of an image cache. */
export function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw apiError('InvalidParameter', { Param: 'ImageCacheName', Reason: problem });
}

/** Throws InvalidParameter at the first reference that can't be parsed: waiting for a build would not make it better. */
export function checkImages(images: readonly string[]): void {
  for (const [place, image] of images.entries()) {
    try {
      parseReference(image);
    } catch (error) {
      throw apiError('InvalidParameter', { Param: `Image.${place + 1}`, Reason: describeError(error) });
    }
  }
}

/** The parameter `Tag` as tags; throws InvalidParameter when they can't be those of one resource. */
export function readTags(tags: readonly { Key: string | undefined; Value: string | undefined }[]): Tag[] {
  const read = tags.map((tag) => ({ key: tag.Key ?? '', value: tag.Value ?? '' }));
  const problem = tagsProblem(read);
  if (problem !== undefined) throw apiError('InvalidParameter', { Param: 'Tag', Reason: problem });
  return read;
}

type LoginParam = {
  readonly Server: string | undefined;
  readonly UserName: string | undefined;
  readonly Password: string | undefined;
};

/** The parameter `ImageRegistryCredential`; the vendor demands none of its fields, and one that is incomplete is no login. */
export function readLogins(logins: readonly LoginParam[]): RegistryCredential[] {
  return logins.flatMap(({ Server, UserName, Password }) =>
    Server && UserName && Password ? [{ server: Server, username: UserName, password: Password }] : [],
  );
}

/** `a:5000,b` as a list; the vendor's own sample wraps it in literal double quotes, and some users send a scheme. */
export function registryList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.replace(/["'\s]/g, '').replace(/^https?:\/\//, ''))
    .filter((part) => part !== '');
}

/** No effect here, but what the vendor refuses is refused. */
export function checkVSwitches(text: string | undefined): void {
  if ((text ?? '').split(',').length > MAX_VSWITCHES) {
    throw apiError('InvalidParameter.LengthExceeded', { Param: 'VSwitchId', Limit: MAX_VSWITCHES });
  }
}
