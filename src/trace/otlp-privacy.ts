import { domainOf } from '../format/address.js';

/** How much of an address leaves: only its domain, or all of it. */
export type AddressForm = 'domain' | 'full';

/** Distinct addresses or domains that one span names. */
const MAX_NAMED = 20;
/** Of a remote's words; nobody reads further, and the search has an end. */
const MAX_SEARCHED_CHARACTERS = 2000;
/** A local part and its `@`, quoted or not, with a domain behind it. */
const LOCAL_PART = /(?:"(?:[^"\\]|\\.){1,256}"|[^\s"<>()[\],;:@]{1,256})@(?=[^\s@<>])/g;
/** What can be a local part that stands by itself. */
const WORD = /[^\s"'<>()[\],;:]+/g;

/**
 * Takes the local parts out of what a span says, unless full addresses are wanted: out of
 * addresses, of logins that are addresses, and of the words of remotes, which like to repeat them.
 */
export class AddressMask {
  readonly #full: boolean;
  readonly #addresses: readonly string[];
  #localParts: Set<string> | null = null;

  /** @param addresses Those of the message: their local parts are also found where no `@` follows. */
  constructor(form: AddressForm, addresses: readonly string[]) {
    this.#full = form === 'full';
    this.#addresses = addresses;
  }

  /** An address as it may be shown; an address without a domain is none. */
  address(address: string): string {
    return this.#full ? address : domainOf(address);
  }

  /** Each once, the first twenty. */
  addresses(addresses: readonly string[]): string[] {
    const named = new Set<string>();
    for (const address of addresses) {
      if (named.size === MAX_NAMED) break;
      const shown = this.address(address);
      if (shown !== '') named.add(shown);
    }
    return [...named];
  }

  /** A login; many are addresses. */
  user(name: string): string {
    return this.#full || !name.includes('@') ? name : domainOf(name);
  }

  text(text: string): string {
    if (this.#full) return text;
    const localParts = (this.#localParts ??= localPartsOf(this.#addresses));
    return text
      .slice(0, MAX_SEARCHED_CHARACTERS)
      .replace(LOCAL_PART, '')
      .replace(WORD, (word) =>
        localParts.has(word.replace(/[.!?]+$/, '').toLowerCase()) ? '…' : word,
      );
  }
}

function localPartsOf(addresses: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const address of addresses) {
    const at = address.lastIndexOf('@');
    const local = (at === -1 ? address : address.slice(0, at)).toLowerCase();
    if (local !== '') found.add(local.replace(/^"(.*)"$/, '$1'));
  }
  return found;
}
