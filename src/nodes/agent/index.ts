export { type Agent, type AgentOptions, openAgent } from './agent.ts';
export type { AgentStatus } from './agent-status.ts';
export type { BlobProgress } from './blob-downloads.ts';
export { type AgentClient, createAgentClient } from './control-client.ts';
export { openControlServer } from './control-server.ts';
export { openAgentFolder } from './data-folder.ts';
export { type MatchDegree, type MatchOutcome, matchImage } from './match-images.ts';
export type { Selection } from './node-source.ts';
