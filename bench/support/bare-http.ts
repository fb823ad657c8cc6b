/** An HTTP server on bare node:http that reads the request and answers ready bytes: what no server of this runtime can beat. */
import { createServer } from 'node:http';

const [port, bytes] = process.argv.slice(2).map(Number);
const body = Buffer.alloc(bytes ?? 0, 'x');
const headers = { 'content-type': 'application/json;charset=utf-8', 'content-length': body.length };

createServer((request, response) => {
  request.resume();
  request.once('end', () => response.writeHead(200, headers).end(body));
}).listen(port, '127.0.0.1');
