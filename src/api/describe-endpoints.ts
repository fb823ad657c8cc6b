import { apiError, defineAction } from '../rpc/index.ts';

/** The version of the Location service. */
const LOCATION_VERSION = '2015-06-12';
const SERVICE_CODE = 'eci';

/**
 * DescribeEndpoints of the Location service: clients without a configured endpoint ask it where a service is. Whoever
 * reaches this server under some name is sent there.
 */
export const describeEndpoints = () =>
  defineAction({
    name: 'DescribeEndpoints',
    version: LOCATION_VERSION,
    summary: 'Says where the service is (Location service).',
    errors: ['InvalidParameter'],
    params: {
      Id: { type: 'string', required: true, maxLength: 64, doc: 'Region.', example: 'cn-hangzhou' },
      ServiceCode: {
        type: 'string',
        maxLength: 64,
        default: SERVICE_CODE,
        doc: 'Service: eci.',
        example: SERVICE_CODE,
      },
      Type: { type: 'string', maxLength: 64, default: 'openAPI', doc: 'Kind of endpoint.', example: 'openAPI' },
    },
    result: {
      Success: { type: 'boolean', doc: 'True.' },
      Endpoints: {
        type: 'object',
        doc: 'Wraps the list, as the vendor’s Location service does.',
        fields: {
          Endpoint: {
            type: 'objects',
            doc: 'The endpoints; one.',
            fields: {
              Endpoint: { type: 'string', doc: 'host or host:port.', example: '127.0.0.1:4620' },
              Id: { type: 'string', doc: 'Region.', example: 'cn-hangzhou' },
              Namespace: { type: 'string', doc: 'Empty.' },
              SerivceCode: { type: 'string', doc: 'Service; the spelling is the vendor’s.', example: SERVICE_CODE },
              Type: { type: 'string', doc: 'Kind of endpoint.', example: 'openAPI' },
              Protocols: {
                type: 'object',
                doc: 'Wraps the list.',
                fields: { Protocols: { type: 'strings', doc: 'HTTP or HTTPS.' } },
              },
            },
          },
        },
      },
    },
    async run(params, context) {
      if (params.ServiceCode.toLowerCase() !== SERVICE_CODE) {
        throw apiError('InvalidParameter', { Param: 'ServiceCode', Reason: `this server knows ${SERVICE_CODE} only` });
      }
      return {
        Success: true,
        Endpoints: {
          Endpoint: [
            {
              Endpoint: context.host,
              Id: params.Id,
              Namespace: '',
              SerivceCode: SERVICE_CODE,
              Type: params.Type,
              Protocols: { Protocols: [context.secure ? 'HTTPS' : 'HTTP'] },
            },
          ],
        },
      };
    },
  });
