import { run, toolEnvironment } from './run.ts';

export type AptSource = { uri: string; suite: string; env: NodeJS.ProcessEnv };

/** The machine's first apt source that offers Debian's packages, and the proxy that apt uses for it. */
export async function aptSource(): Promise<AptSource> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const targets = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages', 'Origin: Debian']);
  for (const line of targets.split('\n')) {
    const [uri = '', suite = '', component] = line.split(' ');
    // Updates and security are no whole suites.
    if (component !== 'main' || suite.includes('-') || !/^https?:/.test(uri)) continue;
    const proxy = (await run('apt-config', ['shell', 'PROXY', 'Acquire::http::Proxy'])).match(/'(.*)'/)?.[1];
    return { uri, suite, env: { ...toolEnvironment(), ...(proxy ? { http_proxy: proxy, https_proxy: proxy } : {}) } };
  }
  throw new Error(`no Debian source in the machine's apt configuration:\n${targets}`);
}
