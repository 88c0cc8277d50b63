import { z } from 'zod';

/** The values that many flat keys share. */

export const textValue = z.string().min(1).max(1024);
export const pathValue = z.string().min(1).max(4096);
export const secretValue = z.string().min(1).max(1024);
export const usernameValue = z.string().min(1).max(255);

/** A default, for people. */
export const EMPTY = 'empty';
