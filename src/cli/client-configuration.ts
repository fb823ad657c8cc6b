/** What the first start prints once: the key, ready to paste for each kind of client. */
export function clientConfiguration(options: {
  /** `http://host:port` */
  endpoint: string;
  regionId: string;
  key: { id: string; secret: string };
}): string {
  const { endpoint, regionId, key } = options;
  const host = endpoint.replace(/^https?:\/\//, '');
  const isTls = endpoint.startsWith('https:');
  return `
The access key of this server. Its secret is shown this once:

  export LARDER_ENDPOINT=${endpoint}
  export LARDER_ACCESS_KEY_ID=${key.id}
  export LARDER_ACCESS_KEY_SECRET=${key.secret}
  export LARDER_REGION=${regionId}

The larder command of this user finds them by itself. The vendor's Node SDK, @alicloud/eci20180808:

  new Client(new Config({
    endpoint: '${host}', protocol: '${isTls ? 'HTTPS' : 'HTTP'}', regionId: '${regionId}',
    accessKeyId: '${key.id}', accessKeySecret: '${key.secret}',
  }))

The aliyun command:

  export ALIBABA_CLOUD_ACCESS_KEY_ID=${key.id} ALIBABA_CLOUD_ACCESS_KEY_SECRET=${key.secret}
  aliyun eci DescribeImageCaches --region ${regionId} --RegionId ${regionId} --endpoint ${host} ${isTls ? '--secure' : '--insecure'}
`;
}
