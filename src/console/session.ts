import { Observable } from './observable.js';

/*
 * The API's token, for as long as the tab is open. It is kept nowhere else, and no page shows it.
 */

const KEY = 'relaymesh.token';

/** Null: nobody is logged in, and the login page is shown in place of every other. */
export const token = new Observable<string | null>(sessionStorage.getItem(KEY));

export function logIn(given: string): void {
  sessionStorage.setItem(KEY, given);
  token.set(given);
}

export function logOut(): void {
  sessionStorage.removeItem(KEY);
  token.set(null);
}
