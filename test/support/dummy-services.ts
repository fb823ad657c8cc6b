import type { ApiServices } from '../../src/api/index.ts';

const REFUSES: ProxyHandler<object> = {
  get(_, name) {
    throw new Error(`the service ${String(name)} is not there: only the specs of the actions can be read`);
  },
};

/** For those who read the specs of the actions and call none: every use of a service throws. */
// A proxy that refuses everything stands for anything.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const DUMMY_SERVICES = new Proxy({}, REFUSES) as ApiServices;
