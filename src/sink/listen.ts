import type net from 'node:net';
import { messageOf, RelayError } from '../base/errors.js';

export interface BoundAddress {
  host: string;
  port: number;
}

/**
 * Binds a server; port 0 takes a free one. Resolves with the address that was bound.
 * @throws RelayError SINK_ADDRESS_UNAVAILABLE when the port is taken or the address is not ours
 */
export function listen(server: net.Server, host: string, port: number): Promise<BoundAddress> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(
        new RelayError('SINK_ADDRESS_UNAVAILABLE', messageOf(error), {
          fault: 'system',
          where: `${host}:${port}`,
          hint: 'Choose another port, or 0 for a free one.',
          cause: error,
        }),
      );
    };
    server.once('error', onError);
    server.listen(port, host, () => {
      server.removeListener('error', onError);
      const address = server.address();
      resolve(
        address === null || typeof address === 'string'
          ? { host, port }
          : { host: address.address, port: address.port },
      );
    });
  });
}
