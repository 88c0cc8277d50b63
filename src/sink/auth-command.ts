/**
 * What a fault rule at `auth` is held against: the user name where the AUTH command carries it
 * (RFC 4954 §4: an initial response of PLAIN, LOGIN or XOAUTH2), else the mechanism; '' without one.
 */
export function authSubject(command: string): string {
  const [, mechanism = '', initial = ''] = command.trim().split(/\s+/);
  const name = mechanism.toUpperCase();
  return userIn(name, Buffer.from(initial, 'base64').toString('utf8')) || name;
}

function userIn(mechanism: string, response: string): string {
  switch (mechanism) {
    case 'PLAIN': {
      const [authzid = '', authcid = ''] = response.split('\0');
      return authcid || authzid;
    }
    case 'LOGIN':
      return response;
    case 'XOAUTH2':
      // RFC 7628 §3.1: fields end with ^A.
      return response.startsWith('user=') ? (response.slice(5).split('\u0001')[0] ?? '') : '';
    default:
      return '';
  }
}
