export { type DemoOptions, type DemoServer, runDemo } from './run-demo.ts';
