import { defineAction } from '../rpc/index.ts';
import type { ApiServices } from './services.ts';

/** DescribeRegions: the region of this installation, and those in which the caller has image caches. */
export const describeRegions = (services: ApiServices) =>
  defineAction({
    name: 'DescribeRegions',
    summary: 'Lists the regions.',
    ramAction: 'eci:DescribeRegions',
    params: { RegionId: { type: 'string', maxLength: 64, doc: 'Only this region.', example: 'cn-hangzhou' } },
    result: {
      Regions: {
        type: 'objects',
        doc: 'The regions.',
        fields: {
          RegionId: { type: 'string', doc: 'Region.', example: 'cn-hangzhou' },
          RegionEndpoint: { type: 'string', doc: 'Where it is served: as the caller reached this server.' },
          Zones: { type: 'strings', doc: 'Zones; one stands for the installation.' },
          RecommendZones: { type: 'strings', doc: 'The same.' },
          UnavailableZones: { type: 'strings', doc: 'None.' },
        },
      },
    },
    async run(params, context) {
      const known = new Set([services.regionId, ...(await services.store.caches.regions(context.accountId))]);
      const wanted = [...known].filter((id) => params.RegionId === undefined || params.RegionId === id);
      return {
        Regions: wanted.map((id) => ({
          RegionId: id,
          RegionEndpoint: context.host,
          Zones: [`${id}-a`],
          RecommendZones: [`${id}-a`],
          UnavailableZones: [],
        })),
      };
    },
  });
