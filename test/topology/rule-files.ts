import { CA_PEM, CORE_KEY_PEM, CORE_PEM } from './certificate-fixtures.js';

export const HASH = `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
/** What stands beside every topology. */
export const FILES = {
  'ca.pem': CA_PEM,
  'cert.pem': CORE_PEM,
  'key.pem': CORE_KEY_PEM,
  'token.txt': 'x',
  'users.hash': `${HASH}\n`,
};
